import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import {
  decodeLine,
  encodeFact,
  encodeHead,
  type FileLine,
  HEAD_BYTES,
  isHead,
  readLines,
} from '../../src/cache/facts-lines.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

describe('cache/facts-lines', () => {
  let folder: TempDir;
  beforeEach(async () => {
    folder = await createTempDir();
  });
  afterEach(() => folder.remove());

  it('reads what it writes, in one line whatever a key is made of', () => {
    for (const record of [
      { kind: 'link', key: 'd\n\r\u2028\u2029é', value: 'x\ny' },
      { kind: 'tag', key: '', value: null },
      { kind: 'pin', key: 'a', value: undefined },
    ] as const) {
      const line = encodeFact(record);
      assert.equal(line.search(/[\n\r\u2028\u2029]/), line.length - 1);
      assert.deepEqual(decodeLine(line.trimEnd()), record);
    }
  });

  it('leaves out a line with any single bit flipped, torn, or that means nothing', () => {
    const line = encodeFact({ kind: 'link', key: 'only', value: 1 }).trimEnd();
    for (let bit = 0; bit < line.length * 8; bit += 1) {
      const flipped = Buffer.from(line);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(decodeLine(flipped.toString('latin1')), undefined, `bit ${bit}`);
    }
    for (let length = 0; length < line.length; length += 1) assert.equal(decodeLine(line.slice(0, length)), undefined);
    assert.equal(decodeLine(encodeFact({ kind: 'nonsense' as 'link', key: 'a', value: 1 }).trimEnd()), undefined);
  });

  it('has heads of one length', () => {
    for (const compactedBytes of [0, 64, Number.MAX_SAFE_INTEGER]) {
      const head = encodeHead({ compactedBytes });
      assert.equal(head.length, HEAD_BYTES);
      const read = decodeLine(head.slice(0, -1));
      assert.ok(read !== undefined && isHead(read));
      assert.equal(read.compactedBytes, compactedBytes);
    }
  });

  it('gives lines with their places, up to an end, and none that is without end', async () => {
    const file = path.join(folder.path, 'log');
    const long = 'x'.repeat(3_000_000);
    const texts = Array.from({ length: 60_000 }, (_, n) => `line ${n} é`);
    const whole = Buffer.from(`\n${texts.join('\n')}\n${long}\nlast`);
    await fs.writeFile(file, whole);
    const handle = await fs.open(file);
    const lines: FileLine[] = [];
    for await (const batch of readLines(handle, Number.POSITIVE_INFINITY)) lines.push(...batch);
    assert.equal(lines.length, texts.length + 2);
    for (const { text, offset } of lines) {
      if (text === undefined) continue;
      assert.equal(whole.toString('utf8', offset, offset + Buffer.byteLength(text)), text);
    }
    assert.equal(lines.at(-1)?.text, 'last');
    assert.equal(lines.at(-2)?.text, undefined);
    const few: FileLine[] = [];
    for await (const batch of readLines(handle, 8)) few.push(...batch);
    assert.deepEqual(few, [{ offset: 1, text: 'line 0 ' }]);
    await handle.close();
  });
});
