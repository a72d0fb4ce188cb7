import assert from 'node:assert/strict';
import { beginJsonList } from '../../src/cli/json-list.js';

describe('cli/json-list', () => {
  for (const pages of [[], [[]], [[1]], [[1, { a: 2 }], [], ['three']]]) {
    it(`writes ${JSON.stringify(pages)} as one array`, () => {
      let text = '';
      const list = beginJsonList((more) => (text += more));
      for (const page of pages) list.add(page);
      list.end();
      assert.deepEqual(JSON.parse(text), pages.flat());
      assert.ok(text.endsWith('\n'));
      if (pages.flat().length > 0) assert.equal(text.split('\n').length, pages.flat().length + 3);
    });
  }
});
