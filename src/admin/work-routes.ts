import type { InventoryOperations, Selection, VerifySelection } from '../inventory/contract.js';
import { createLongWork } from './long-work.js';
import type { AdminRoute, AnswerSpec } from './route.js';
import { DIGEST, IMAGE_NAME, objectOf, REGISTRY_NAME, REPOSITORY_NAME, shared } from './schemas.js';

const BYTES = { type: 'integer', minimum: 0, description: 'a size in bytes' };
const MILLISECONDS = { type: 'integer', minimum: 0, description: 'a time in milliseconds' };

const PRUNE = objectOf({
  'digest?': DIGEST,
  'image?': IMAGE_NAME,
  'repository?': REPOSITORY_NAME,
  'registry?': REGISTRY_NAME,
  'unusedMs?': { ...MILLISECONDS, description: 'only what nobody used for so many milliseconds' },
  'toBytes?': { ...BYTES, description: 'the size in bytes that the store is to come down to' },
  'dryRun?': { type: 'boolean', default: false, description: 'true to tell what would be removed and remove nothing' },
});
const VERIFY = objectOf({ 'digest?': DIGEST, 'image?': IMAGE_NAME });

const OTHERS: Readonly<Record<number, AnswerSpec>> = {
  400: { description: 'something is not as it should be', schema: shared('Error') },
  404: { description: 'nothing of that name is in the store', schema: shared('Error') },
  503: { description: 'other long work is under way', schema: shared('Error') },
};

/** Long work on the store. With `Accept: application/x-ndjson` the answer tells progress, line by line. */
export function workRoutes(inventory: InventoryOperations): AdminRoute[] {
  const longWork = createLongWork();
  return [
    {
      method: 'POST',
      path: '/api/v1/prune',
      summary: 'Removes an image, a repository, a registry, what was unused for long, or down to a size',
      body: PRUNE,
      answers: { 200: { description: 'what became of what was selected', schema: shared('RemovalReport') }, ...OTHERS },
      run: (request) => {
        const { dryRun = false, ...selection } = request.body as Selection & { readonly dryRun?: boolean };
        return longWork.answer(request, (work) => inventory.remove(selection, dryRun, work));
      },
    },
    {
      method: 'POST',
      path: '/api/v1/verify',
      summary: 'Hashes what is stored, and takes away what is damaged',
      body: VERIFY,
      answers: { 200: { description: 'what was found', schema: shared('VerifyReport') }, ...OTHERS },
      run: (request) => longWork.answer(request, (work) => inventory.verify(request.body as VerifySelection, work)),
    },
  ];
}
