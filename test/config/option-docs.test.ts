import assert from 'node:assert/strict';
import { describeDefault, renderOptionTable } from '../../src/config/option-docs.js';
import { OPTIONS } from '../../src/config/option-table.js';

describe('config/option-docs', () => {
  it('renders one row per option and one for the file itself, all with five cells', () => {
    const lines = renderOptionTable().split('\n');
    assert.equal(lines.length, OPTIONS.length + 3);
    for (const line of lines) assert.equal(line.replaceAll('\\|', '').split('|').length, 7, line);
    assert.equal(
      lines[2],
      '| `--listen HOST:PORT` | `ENTREPOT_LISTEN` | `listen` | `127.0.0.1:3128` | address of the proxy |',
    );
    assert.match(lines.at(-1) ?? '', /^\| `--config FILE` \| `ENTREPOT_CONFIG` \|  \| none \|/);
  });

  it('says none for an empty default and words where the machine decides', () => {
    const option = { name: 'x', kind: 'path', metavar: 'DIR', help: 'h' } as const;
    assert.equal(describeDefault({ ...option, default: '' }), 'none');
    assert.equal(describeDefault({ ...option, default: undefined }), 'none');
    assert.equal(describeDefault({ ...option, default: undefined, shownDefault: 'its home' }), 'its home');
  });
});
