import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isReady } from './proxy.js';
import { session } from './session.js';

describe('e2e: npm start', () => {
  it('builds, makes a CA, says where it listens, and ends with 0 on Ctrl-C', async () => {
    const { lab } = session();
    const caFolder = join(lab.folder, 'start', 'ca');
    const folders = ['--data-dir', join(lab.folder, 'start', 'data'), '--ca-dir', caFolder];
    // A process group of its own, so that the signal reaches all of it, as a terminal does it.
    const child = spawn('npm', ['start', '--', ...folders], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    const said: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
    try {
      while (!(await isReady())) {
        assert.equal(child.exitCode, null, Buffer.concat(said).toString());
        await sleep(100);
      }
      const ca = new X509Certificate(await readFile(join(caFolder, 'ca.crt')));
      const banner = Buffer.concat(said).toString();
      for (const part of ['127.0.0.1:3128', '127.0.0.1:3129', join(caFolder, 'ca.crt'), ca.fingerprint256]) {
        assert.ok(banner.includes(part), `${part} is not in:\n${banner}`);
      }
      assert.match(banner, /^ *export HTTPS_PROXY=http:\/\/127\.0\.0\.1:3128$/m);
    } finally {
      process.kill(-child.pid!, 'SIGINT');
    }
    const [code] = (await ended) as [number | null];
    assert.equal(code, 0);
  });
});
