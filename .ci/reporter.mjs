import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** mocha's own report for people, and its counts for .ci/run in the file that the option `output` names. */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failed = [];
    runner.on(Mocha.Runner.constants.EVENT_TEST_FAIL, (test) => failed.push(test.fullTitle()));
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const report = { ...this.stats, failed };
      writeFileSync(options.reporterOption.output, `${JSON.stringify(report, null, 2)}\n`);
    });
  }
}
