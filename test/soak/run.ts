import { parseArgs } from 'node:util';
import { complaintsOf, inMiB } from './judge.js';
import { mean, residentGrowth, type Sample } from './samples.js';
import { runSoak } from './soak.js';

/*
 * npm run test:soak -- --minutes N: thirty clients do everything at once to the built proxy (J01). Ends with 1 where a
 * client got wrong bytes or a failure, memory goes on rising, or descriptors are left open.
 */

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    clients: { type: 'string', default: '30' },
    program: { type: 'string', default: 'dist/main.js' },
    json: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const clients = Number(values.clients);
if (!(minutes > 0) || !(clients >= 2)) {
  process.stderr.write('test:soak: --minutes is a number above 0, --clients one of 2 or more\n');
  process.exit(2);
}
const SAMPLES = 400;
const WARM_UP_SAMPLES = 2;
/** Counts from the first sample on. */
let endAt: number | undefined;

function tell(answers: number, { at, residentBytes, descriptors }: Sample): void {
  if (!process.stderr.isTTY) return;
  const left = Math.max(0, ((endAt ?? at) - at) / 60_000).toFixed(1);
  process.stderr.write(`\r\u001b[K${left} min left, ${answers} answers, ${inMiB(residentBytes)}, ${descriptors} fds`);
}

const result = await runSoak({
  program: [values.program],
  clients,
  rounds: 15,
  maxSize: '64MiB',
  sampleEveryMs: Math.max(250, (minutes * 60_000) / SAMPLES),
  isOver: (answers, sample) => {
    endAt ??= sample.at + minutes * 60_000;
    tell(answers, sample);
    return sample.at >= endAt;
  },
});
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
const { load, before, after } = result;
const samples = result.samples.slice(WARM_UP_SAMPLES);
// A short run has not seen enough of the garbage collector to be judged closely.
const complaints = complaintsOf({ ...result, samples }, { growth: minutes >= 10 ? 0.1 : 0.5 });
const resident = samples.map((one) => one.residentBytes);
if (values.json) process.stdout.write(`${JSON.stringify({ minutes, clients, complaints, ...result })}\n`);
else {
  process.stdout.write(
    `${minutes} min, ${clients} clients: ${load.whole} answers, ${load.broken} failures, ${load.wrong.length} wrong; ` +
      `memory ${inMiB(mean(resident))} on average, ${inMiB(Math.max(...resident))} at most, ` +
      `${inMiB(residentGrowth(samples))} more over the second half; ` +
      `descriptors ${before.descriptors} before, ${after.descriptors} after; ` +
      `handles ${before.handles} before, ${after.handles} after\n`,
  );
  for (const complaint of complaints) process.stdout.write(`${complaint}\n`);
}
process.exitCode = complaints.length > 0 ? 1 : 0;
