import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { createProgressBar } from '../../src/cli/progress-bar.js';

/** A terminal that keeps what is written. */
function createTerminal(): { readonly stream: NodeJS.WriteStream; text(): string } {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const terminal = Object.assign(stream, { isTTY: true, columns: 120, rows: 24 });
  return { stream: terminal as unknown as NodeJS.WriteStream, text: () => text };
}

describe('cli/progress-bar', () => {
  it('shows a bar on a terminal once the work turns out to be long, and takes it away', () => {
    const terminal = createTerminal();
    let now = 0;
    const bar = createProgressBar({ terminal: terminal.stream }, 'verifying', () => now);
    bar.show(0.1, 'soon');
    assert.equal(terminal.text(), '');
    now = 1_000;
    bar.show(0.5, '7 checked');
    bar.stop();
    bar.stop();
    assert.match(terminal.text(), /verifying .* 50%  7 checked/);
  });

  it('shows nothing where there is no terminal', () => {
    const bar = createProgressBar({ terminal: undefined }, 'verifying', () => 1e9);
    bar.show(0.5, 'x');
    bar.stop();
  });

  it('shows how much is done where nobody knows of how much', () => {
    const terminal = createTerminal();
    let now = 0;
    const bar = createProgressBar({ terminal: terminal.stream }, 'removing', () => now);
    now = 1_000;
    bar.show(undefined, '3 removed');
    bar.stop();
    assert.match(terminal.text(), /3 removed/);
    assert.doesNotMatch(terminal.text(), /%/);
  });
});
