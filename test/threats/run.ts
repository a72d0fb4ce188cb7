import { readdirSync } from 'node:fs';
import path from 'node:path';
import Mocha from 'mocha';
import { CASES, LEFT_OUT } from './cases.js';
import { printed, type Result, THREAT_ID, tableOf, unacceptable, unknownIds } from './table.js';

/*
 * npm run test:threats: runs every test whose title names a threat, and prints which threats are answered. Fails where
 * such a test fails, or a threat of the first two priorities has none and is not left out for a reason.
 */

const TESTS = path.resolve(import.meta.dirname, '..');
/** These need real clients, or measure. */
const ELSEWHERE = /^(?:e2e|bench|lab)\//;
const TIMEOUT_MS = 20_000;

function testFiles(): string[] {
  const names = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll(path.sep, '/'));
  const specs = names.filter((name) => name.endsWith('.test.ts') && !ELSEWHERE.test(name));
  return specs.sort().map((name) => path.join(TESTS, name));
}

/** Says nothing while tests pass: the table at the end is the report. */
class Collector extends Mocha.reporters.Base {
  readonly results: Result[] = [];

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const { EVENT_TEST_PASS, EVENT_TEST_FAIL, EVENT_RUN_END } = Mocha.Runner.constants;
    runner.on(EVENT_TEST_PASS, (test: Mocha.Test) => this.results.push({ title: test.fullTitle(), passed: true }));
    // A hook that fails is reported by the title of the test that it was for.
    runner.on(EVENT_TEST_FAIL, (test: Mocha.Test) => this.results.push({ title: test.fullTitle(), passed: false }));
    runner.once(EVENT_RUN_END, () => {
      if (this.failures.length > 0) this.epilogue();
      finish(this.results, this.failures.length);
    });
  }
}

function finish(results: readonly Result[], failures: number): void {
  const rows = tableOf(CASES, results, LEFT_OUT);
  process.stdout.write(printed(rows));
  const open = unacceptable(rows);
  const unknown = unknownIds(CASES, results);
  const stale = rows.filter(({ id, tests }) => tests > 0 && LEFT_OUT[id] !== undefined);
  if (stale.length > 0) process.stdout.write(`Left out, and tested: ${stale.map(({ id }) => id).join(', ')}\n`);
  if (open.length > 0) process.stdout.write(`Not answered: ${open.map(({ id }) => id).join(', ')}\n`);
  if (unknown.length > 0) process.stdout.write(`No such threat: ${unknown.join(', ')}\n`);
  // Tests that leave something open are the affair of the other runs; here a failed hook must not keep the table waiting.
  const code = open.length + unknown.length + failures > 0 ? 1 : 0;
  process.stdout.write('', () => process.exit(code));
}

const mocha = new Mocha({ grep: new RegExp(THREAT_ID.source), timeout: TIMEOUT_MS, reporter: Collector });
for (const file of testFiles()) mocha.addFile(file);
await mocha.loadFilesAsync();
mocha.run();
