import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { type Bench, openBench, PEER_NAMES } from './bench.js';
import type { BenchCase, CaseResult } from './case.js';
import { cold } from './cases/cold.js';
import { crowd } from './cases/crowd.js';
import { entries } from './cases/entries.js';
import { handshake } from './cases/handshake.js';
import { mint } from './cases/mint.js';
import { shared } from './cases/shared.js';
import { smallGet, tagHead } from './cases/small-get.js';
import { stalled } from './cases/stalled.js';
import { start } from './cases/start.js';
import { tunnel } from './cases/tunnel.js';
import { uplink } from './cases/uplink.js';
import { warm } from './cases/warm.js';
import { machineFacts } from './machine.js';
import { createProgress } from './progress.js';
import { report, table } from './report.js';
import { FULL, QUICK } from './sizes.js';

const CASES: readonly BenchCase[] = [
  warm,
  cold,
  uplink,
  handshake,
  smallGet,
  tagHead,
  tunnel,
  shared,
  crowd,
  stalled,
  mint,
  entries,
  start,
];
const NAMES = CASES.map(({ name }) => name).join(',');

const USAGE = `npm run bench -- [--only CASES] [--peers PEERS] [--quick] [--rounds N] [--json FILE] [--before DIST]

  --only CASES   only these, separated by commas, of: ${NAMES}
  --peers PEERS  only these, of: ${PEER_NAMES.join(',')}
  --quick        less work and fewer rounds: to see where things stand, not to publish
  --rounds N     how often every peer does a case, in turns (5, quick 3)
  --json FILE    writes every sample
  --before DIST  the folder of another build of entrepot, which takes part beside this one: what has a change given?

BENCH_PROFILE=DIR in the environment has entrepot write a CPU profile there.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      peers: { type: 'string' },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      json: { type: 'string' },
      before: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const wanted = values.only?.split(',');
  const problems = [
    ...(wanted ?? [])
      .filter((name) => !CASES.some((one) => one.name === name))
      .map((name) => `There is no case ${name}.`),
    ...(values.peers?.split(',') ?? [])
      .filter((name) => !PEER_NAMES.some((one) => one === name))
      .map((name) => `There is no peer ${name}.`),
    ...(values.rounds === undefined || Number(values.rounds) >= 1 ? [] : ['--rounds takes a number from 1.']),
  ];
  if (values.help || problems.length > 0) {
    process.stderr.write([...problems.map((problem) => `${problem}\n`), USAGE].join('\n'));
    process.exitCode = values.help ? 0 : 2;
    return;
  }

  const sizes = values.quick ? QUICK : FULL;
  const progress = createProgress(process.stderr);
  const bench = await openBench({
    sizes: values.rounds === undefined ? sizes : { ...sizes, rounds: Number(values.rounds) },
    progress: progress.say,
    peers: values.peers?.split(','),
    before: values.before,
  });
  const interrupted = () => void bench.close().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const startedAt = new Date();
  const load = loadavg()[0]?.toFixed(1) ?? '';
  const results: CaseResult[] = [];
  try {
    for (const one of CASES) {
      if (wanted === undefined || wanted.includes(one.name)) results.push(...(await resultsOf(one, bench)));
    }
  } finally {
    progress.done();
    await bench.close();
  }
  const facts = { date: startedAt.toISOString().slice(0, 10), ...machineFacts(), 'load before': load };
  process.stdout.write(`${table(['machine', ''], Object.entries(facts))}\n${report(results)}`);
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify({ facts, results }, null, 2));
}

/** One case that fails says so in its place, and the others go on. */
async function resultsOf(one: BenchCase, bench: Bench): Promise<CaseResult[]> {
  try {
    return await one.run(bench);
  } catch (error) {
    const facts = [{ what: 'failed', value: (error as Error).message.split('\n', 1)[0] ?? '' }];
    return [{ name: one.name, title: one.name, rows: [], facts }];
  }
}

try {
  await main();
} catch (error) {
  // Such as a program that every case needs, or an option that there is not.
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
