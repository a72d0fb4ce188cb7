import type { InventoryOperations, PinTarget } from '../inventory/contract.js';
import type { Digest } from '../oci/digest.js';
import { type AdminAnswer, type AdminRequest, type AdminRoute, type AnswerSpec, refusal } from './route.js';
import { CURSOR, DIGEST, IMAGE_NAME, LIMIT, shared } from './schemas.js';

const BAD: AnswerSpec = { description: 'something is not as it should be', schema: shared('Error') };
const ABSENT: AnswerSpec = { description: 'it is not in the store, or not pinned', schema: shared('Error') };
const PINNED: AnswerSpec = { description: 'it is pinned', schema: shared('Pin') };
const UNPINNED: AnswerSpec = { description: 'the pin is gone', schema: shared('Unpinned') };

/** What is never evicted nor removed. */
export function pinRoutes(inventory: InventoryOperations): AdminRoute[] {
  const pin = async (request: AdminRequest): Promise<AdminAnswer> => found(await inventory.pin(targetOf(request)));
  const unpin = async (request: AdminRequest): Promise<AdminAnswer> => found(await inventory.unpin(targetOf(request)));
  const byDigest = { path: '/api/v1/pins/:digest', params: { digest: DIGEST } };
  const byImage = { path: '/api/v1/pins', query: { image: IMAGE_NAME }, requiredQuery: ['image'] };
  const pinned = { 200: PINNED, 400: BAD, 404: ABSENT };
  const unpinned = { 200: UNPINNED, 400: BAD, 404: ABSENT };
  return [
    {
      method: 'GET',
      path: '/api/v1/pins',
      summary: 'What is pinned by digest or image, a page at a time',
      query: { limit: LIMIT, cursor: CURSOR },
      answers: { 200: { description: 'a page', schema: shared('PinPage') }, 400: BAD },
      run: async ({ query }) => ({
        body: await inventory.pins(query as unknown as { limit: number; cursor?: string }),
      }),
    },
    {
      method: 'PUT',
      ...byDigest,
      summary: 'Pins a content, or a manifest with all that it lists',
      answers: pinned,
      run: pin,
    },
    { method: 'DELETE', ...byDigest, summary: 'Takes a pin away', answers: unpinned, run: unpin },
    { method: 'PUT', ...byImage, summary: 'Pins all of an image, as its tag stands now', answers: pinned, run: pin },
    { method: 'DELETE', ...byImage, summary: 'Takes the pin of an image away', answers: unpinned, run: unpin },
  ];
}

function targetOf({ params, query }: AdminRequest): PinTarget {
  const { digest } = params;
  return digest === undefined ? { image: String(query['image']) } : { digest: digest as Digest };
}

function found(value: object | undefined): AdminAnswer {
  return value === undefined ? refusal(404, 'it is not in the store, or not pinned') : { body: value };
}
