import assert from 'node:assert/strict';
import { createLongWork } from '../../src/admin/long-work.js';
import type { AdminRequest } from '../../src/admin/route.js';
import { ProxyError } from '../../src/errors.js';

function requestOf(wantsLines: boolean): AdminRequest {
  return { params: {}, query: {}, body: {}, wantsLines, signal: new AbortController().signal };
}

async function linesOf(lines: AsyncIterable<object> | undefined): Promise<object[]> {
  const found: object[] = [];
  for await (const line of lines ?? []) found.push(line);
  return found;
}

describe('admin/long-work', () => {
  it('answers with the report, or with lines that end in it', async () => {
    const work = createLongWork();
    const report = { removed: 1 };
    assert.deepEqual(await work.answer(requestOf(false), async () => report), { body: report });
    const { lines } = await work.answer(requestOf(true), async () => report);
    assert.deepEqual(await linesOf(lines), [{ report }]);
  });

  it('rejects with what went wrong while there is time for a status', async () => {
    const work = createLongWork();
    for (const wantsLines of [false, true]) {
      const failing = work.answer(requestOf(wantsLines), () => Promise.reject(new Error('no')));
      await assert.rejects(failing, /no/);
    }
  });

  it('tells what goes wrong later in a last line, and nothing that is not for others', async () => {
    const work = createLongWork();
    for (const [fault, error] of [
      [new Error('secret'), 'internal error'],
      [new ProxyError('store', 'the disk is full'), 'the disk is full'],
    ] as const) {
      let fail: ((error: Error) => void) | undefined;
      const task = new Promise<object>((_, reject) => (fail = reject));
      const { lines } = await work.answer(requestOf(true), () => task);
      fail?.(fault);
      assert.deepEqual((await linesOf(lines)).at(-1), { error });
    }
  });
});
