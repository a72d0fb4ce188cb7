import { readFileSync, writeFileSync } from 'node:fs';

// Run it after `npm install` where `npm ci` then says "Missing: … from lock file". npm leaves a package of another
// platform out of package-lock.json when the registry at hand doesn't have it (npm/cli issue 4828), and then `npm ci`
// refuses the file everywhere. This names those packages again, with the platform that their names tell.

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm64', 'arm', 'x64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x'];

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));

function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined) throw new Error(`${name} does not tell its platform`);
  const libc = /musl/.test(name) ? { libc: ['musl'] } : {};
  return { ...(cpu === undefined ? {} : { cpu: [cpu] }), ...libc, os: [os] };
}

for (const entry of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (path in lock.packages || Object.keys(lock.packages).some((known) => known.endsWith(`/${path}`))) continue;
    const dev = entry.dev ? { dev: true } : {};
    const { os, ...others } = platformOf(name);
    lock.packages[path] = { version: version.replace(/^[\^~]/, ''), ...others, ...dev, optional: true, os };
    process.stdout.write(`added ${name}\n`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
