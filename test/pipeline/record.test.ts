import assert from 'node:assert/strict';
import { record } from '../../src/pipeline/record.js';
import { note } from '../../src/pipeline/trace.js';
import { openStage, type Stage } from './stage.js';

describe('pipeline/record', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await openStage();
  });
  afterEach(() => stage.close());

  async function written(path: string, cache: 'hit' | 'collapsed' | 'miss' | 'bypass'): Promise<string> {
    const { exchange, trace } = stage.visit({ path });
    note(trace, cache, 'because');
    exchange.reply.head(200, []);
    await exchange.reply.write(Buffer.alloc(7));
    record(stage.context, exchange, trace);
    return (await stage.context.metrics.render()).body;
  }

  const sources = [
    ['hit', 'cache'],
    ['collapsed', 'cache'],
    ['miss', 'upstream'],
    ['bypass', 'upstream'],
  ] as const;
  for (const [cache, source] of sources) {
    it(`counts the bytes of a ${cache} as from ${source}`, async () => {
      const metrics = await written('/v2/team/app/manifests/v1', cache);
      const registry = stage.registry.authority.replaceAll('.', '\\.');
      assert.match(metrics, new RegExp(`entrepot_sent_bytes_total\\{registry="${registry}",source="${source}"\\} 7`));
      assert.match(
        metrics,
        new RegExp(`entrepot_requests_total\\{registry="${registry}",kind="manifest",cache="${cache}"\\} 1`),
      );
    });
  }

  it('gives what is no registry traffic one label, and its host in the log', async () => {
    assert.match(
      await written('/simple/requests/', 'bypass'),
      /entrepot_requests_total\{registry="other",kind="other",cache="bypass"\} 1/,
    );
    assert.equal(stage.log.at(-1)?.fields.registry, stage.registry.authority);
  });

  it('writes path and headers nowhere', async () => {
    await written('/secret/path?token=SECRET', 'bypass');
    assert.ok(!/secret/i.test(JSON.stringify(stage.log)));
  });
});
