import { cpus, release, totalmem } from 'node:os';
import { versionOf } from './bench.js';

/** What a reader has to know of the machine to make sense of the figures. */
export function machineFacts(): Readonly<Record<string, string>> {
  const processors = cpus();
  return {
    CPU: `${processors.length} × ${processors[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    kernel: release(),
    Node: process.versions.node,
    OpenSSL: process.versions.openssl,
    nginx: versionOf('nginx', ['-v']) ?? 'not installed',
    'docker-registry': versionOf('docker-registry', ['--version']) ?? 'not installed',
    squid: versionOf('squid', ['-v']) ?? 'not installed',
    tinyproxy: versionOf('tinyproxy', ['-v']) ?? 'not installed',
  };
}
