import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreEvents } from '../../src/cache/contract.js';
import { COMPACT_FLOOR_BYTES } from '../../src/cache/facts-compaction.js';
import { encodeFact, type FactRecord } from '../../src/cache/facts-lines.js';
import { createFactsLog, factsLogPath } from '../../src/cache/facts-log.js';
import { createFaultBoard } from '../../src/cache/fault-board.js';
import { openKeyvIndex } from '../../src/cache/keyv-index.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet } from '../support/pull.js';
import { openTlsTunnel } from '../support/raw-client.js';
import { digestText } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * Digests cost a client nothing to make up. Asking for one that is nowhere leaves no row, no file and no label; what is
 * written at all (that nobody may have it any more) is thrown away before it becomes much.
 */

const QUESTIONS = 2000;
const CONNECTIONS = 8;

const EVENTS: StoreEvents = { fault: assert.ifError, quarantined: () => {}, rebuilt: () => {} };

describe('integration/questions for what is not there', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let asked = 0;

  before(async () => {
    registry = await startFakeRegistry();
    proxy = await startProxy({ registries: [registry] });
    await proxy.app.stop();
    await fillLog();
    proxy = await proxy.restart();
  });

  after(async () => {
    await proxy.close();
    await registry.close();
  });

  /** Earlier questions, so many that a few more make the log worth a compaction. */
  async function fillLog(): Promise<void> {
    const log = createFactsLog(factsLogPath(join(proxy.folder, 'data')), { fault: assert.ifError, well: () => {} });
    const appended: Promise<void>[] = [];
    for (let bytes = 0; bytes < COMPACT_FLOOR_BYTES - 100_000; ) {
      const digest = digestText(Buffer.from(`earlier ${appended.length}`));
      const fact: FactRecord = { kind: 'public', key: `${registry.authority} a ${digest}`, value: undefined };
      bytes += encodeFact(fact).length;
      appended.push(log.append(fact));
    }
    await Promise.all(appended);
    await log.close();
  }

  /** Asks for so many digests, one after the other, in every way that there is. */
  async function flood(questions: number): Promise<void> {
    const socket = await openTlsTunnel({ ...proxy.way, authority: registry.authority });
    for (let i = 0; i < questions; i += 1) {
      asked += 1;
      const kind = asked % 4 < 2 ? 'blobs' : 'manifests';
      const method = asked % 2 === 0 ? 'HEAD' : 'GET';
      const path = `/v2/a/${kind}/${digestText(Buffer.from(`nothing ${asked}`))}`;
      const answer = await proxyGet({ ...proxy.way, authority: registry.authority, method, path, socket });
      assert.equal(answer.status, 404);
      registry.forget();
    }
    socket.destroy();
  }

  async function metricLines(): Promise<number> {
    const { host, port } = proxy.app.admin ?? { host: '', port: 0 };
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    // Node's own change with what the collector happens to do.
    return text.split('\n').filter((line) => line.startsWith('entrepot_')).length;
  }

  /** Files below the folder of data, other than the index and the log that is being compacted. */
  async function files(): Promise<readonly string[]> {
    const names = await readdir(join(proxy.folder, 'data'), { recursive: true });
    return names.filter((name) => !/^(?:index\.|facts\.log\.new$)/.test(name)).sort();
  }

  it('grows by nothing that is asked for in vain (J08)', async function () {
    this.timeout(120_000);
    registry.content.addImage('a', 'v1');
    await flood(40);
    const before = { files: await files(), lines: await metricLines() };
    await Promise.all(Array.from({ length: CONNECTIONS }, () => flood(QUESTIONS / CONNECTIONS)));
    assert.equal(asked, QUESTIONS + 40);
    assert.deepEqual({ files: await files(), lines: await metricLines() }, before);
    await proxy.app.stop();
    const log = await stat(join(proxy.folder, 'data', 'facts.log'));
    assert.ok(log.size < COMPACT_FLOOR_BYTES / 2, `facts.log has ${log.size} bytes`);
    const index = await openKeyvIndex(join(proxy.folder, 'data'), createFaultBoard(EVENTS), false);
    const kinds = ['entry', 'link', 'public', 'tag'] as const;
    const rows = await Promise.all(kinds.map((kind) => index.page(kind, { limit: 10 })));
    await index.close();
    assert.deepEqual(rows.flat(), []);
  });
});
