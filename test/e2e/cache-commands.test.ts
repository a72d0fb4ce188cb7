import assert from 'node:assert/strict';
import { join } from 'node:path';
import { run } from '../lab/command.js';
import { startSkopeo } from './clients/skopeo.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';

// What the program says of its store after skopeo has pulled, and what skopeo gets after something was removed.

describe('e2e: cache commands', () => {
  let proxy: RunningProxy;
  let data: string;

  before(async () => {
    data = join(session().lab.folder, 'data-cache');
    proxy = await startProxy('data-cache');
  });

  after(async () => {
    await proxy?.stop();
  });

  function entrepot(...argv: string[]): Promise<string> {
    return run('node', ['dist/main.js', 'cache', ...argv, '--data-dir', data]);
  }

  it('tell of pulls, remove, and leave nothing wrong behind, while the proxy runs and when it is stopped', async () => {
    const skopeo = await startSkopeo(join(session().lab.folder, 'skopeo-cache'), proxy.url);
    const { small } = session().lab.fixtures;
    const [image] = small.platforms;
    const references = ['docker.io/library/small:v1', 'quay.io/library/small:v1'];
    for (const reference of references) await skopeo.pull(reference);

    const listed = JSON.parse(await entrepot('ls', '--json')) as { image: string }[];
    assert.deepEqual(
      listed.map(({ image }) => image),
      references,
    );
    assert.match(await entrepot('ls'), /^docker\.io\/library\/small:v1 .* linux\/amd64 /m);
    assert.match(
      await entrepot('show', references[0] ?? ''),
      new RegExp(`layer +${image.layers[0]} .*docker\\.io/library/small`),
    );
    assert.match(await entrepot('stats'), /^entries +[1-9]/m);
    assert.match(await entrepot('verify'), /All is well/);

    // The same image of another registry stays.
    assert.match(await entrepot('rm', references[0] ?? ''), /Kept .* shared with quay\.io\/library\/small:v1/);
    assert.match(await entrepot('rm', 'quay.io/'), /^Removed [1-9]/);
    assert.equal(await entrepot('ls', '--json'), '[]\n');
    for (const reference of references) {
      await skopeo.forget(reference);
      await skopeo.pull(reference);
      await skopeo.check(reference, image);
    }
    await proxy.stop();
    assert.match(await entrepot('rm', references[1] ?? '', '--dry-run'), /^Would remove/);
    assert.match(await entrepot('prune', '--to-size', '0'), /^Removed [1-9]/);
    assert.equal(await entrepot('ls', '--json'), '[]\n');
    proxy = await startProxy('data-cache');
    await skopeo.forget(references[0] ?? '');
    await skopeo.pull(references[0] ?? '');
    await skopeo.check(references[0] ?? '', image);
    await skopeo.stop();
  });
});
