import { readFileSync } from 'node:fs';

// Prints the one line that sums up all mocha reports; fails where a test failed, or a run had none.
const reports = process.argv.slice(2).flatMap((file) => {
  try {
    return [JSON.parse(readFileSync(file, 'utf8'))];
  } catch {
    return [];
  }
});
const sum = (name) => reports.reduce((total, report) => total + report[name], 0);
const failed = sum('failures');
process.stdout.write(`${sum('passes')} passed, ${failed} failed, ${sum('pending')} skipped\n`);
const nothingRan = reports.length === 0 || reports.some((report) => report.passes + report.failures === 0);
process.exitCode = failed > 0 || nothingRan ? 1 : 0;
