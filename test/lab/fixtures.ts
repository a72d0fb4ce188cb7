import { join } from 'node:path';
import { run } from './command.js';
import { makeImage, type SourceImage } from './images.js';
import { pushAddress } from './topology.js';

const MiB = 1024 * 1024;

/** The images that stand in the lab's registries, by what they are for. All registries hold all of them. */
export interface Fixtures {
  /** `library/small:v1`: three layers of 1 MiB. The same as Docker schema 2: `library/small-v2s2:v1`. */
  readonly small: SourceImage;
  /** `private/secret:v1`, which the token registry and the htpasswd registry give to the account only. */
  readonly secret: SourceImage;
  /** `library/multi:v1`: an index of amd64 and arm64. */
  readonly multi: SourceImage;
  /** `library/big:v1`: ten layers of 50 MB. */
  readonly big: SourceImage;
  /** `library/moving:v1` is the first of these at the start, until a test publishes the second. */
  readonly moving: readonly [SourceImage, SourceImage];
}

/** Puts an image into every registry of the lab, past any proxy, as a publisher elsewhere does. */
export async function publish(image: SourceImage, repository: string, ...options: string[]): Promise<void> {
  const to = `docker://${pushAddress}/${repository}:v1`;
  await run('skopeo', ['copy', '-q', '--dest-tls-verify=false', ...options, `oci:${image.folder}:v1`, to]);
}

/** Makes all images and publishes them. */
export async function makeFixtures(folder: string): Promise<Fixtures> {
  const small = await makeImage(join(folder, 'small'), { seed: 'small', layers: 3, layerBytes: MiB });
  const secret = await makeImage(join(folder, 'secret'), { seed: 'secret', layers: 3, layerBytes: MiB });
  const multi = await makeImage(join(folder, 'multi'), {
    seed: 'multi',
    layers: 2,
    layerBytes: MiB,
    architectures: ['amd64', 'arm64'],
  });
  const big = await makeImage(join(folder, 'big'), { seed: 'big', layers: 10, layerBytes: 50_000_000 });
  const before = await makeImage(join(folder, 'before'), { seed: 'before', layers: 1, layerBytes: MiB });
  const after = await makeImage(join(folder, 'after'), { seed: 'after', layers: 1, layerBytes: MiB });

  await publish(small, 'library/small');
  await publish(small, 'library/small-v2s2', '--format', 'v2s2');
  await publish(secret, 'private/secret');
  await publish(multi, 'library/multi', '--all');
  await publish(big, 'library/big');
  await publish(before, 'library/moving');
  return { small, secret, multi, big, moving: [before, after] };
}
