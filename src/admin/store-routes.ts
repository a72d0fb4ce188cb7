import type { BlobQuery, ImageQuery, InventoryOperations } from '../inventory/contract.js';
import type { Digest } from '../oci/digest.js';
import { type AdminAnswer, type AdminRoute, refusal } from './route.js';
import { CURSOR, DIGEST, IMAGE_NAME, LIMIT, REGISTRY_NAME, REPOSITORY_NAME, shared } from './schemas.js';

const SORT = {
  type: 'string',
  enum: ['used', 'size', 'digest'],
  default: 'used',
  description: 'used (the longest unused first), size (the largest first) or digest',
};
const BAD = { description: 'something is not as it should be', schema: shared('Error') };
const ABSENT = { description: 'it is not in the store', schema: shared('Error') };

/** What is in the store. */
export function storeRoutes(inventory: InventoryOperations): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/blobs',
      summary: 'All stored contents, a page at a time',
      query: { limit: LIMIT, cursor: CURSOR, sort: SORT },
      answers: { 200: { description: 'a page', schema: shared('BlobPage') }, 400: BAD },
      run: async ({ query }) => ({ body: await inventory.blobs(query as unknown as BlobQuery) }),
    },
    {
      method: 'GET',
      path: '/api/v1/blobs/:digest',
      summary: 'One stored content',
      params: { digest: DIGEST },
      answers: { 200: { description: 'what is known of it', schema: shared('Blob') }, 400: BAD, 404: ABSENT },
      run: async ({ params }) => found(await inventory.blob(digestIn(params))),
    },
    {
      method: 'DELETE',
      path: '/api/v1/blobs/:digest',
      summary: 'Removes one stored content, whatever images it belongs to',
      params: { digest: DIGEST },
      answers: {
        200: { description: 'it is removed', schema: shared('RemovalReport') },
        400: BAD,
        404: ABSENT,
        409: { description: 'it is pinned', schema: shared('Error') },
      },
      run: async ({ params }) => {
        const report = await inventory.remove({ digest: digestIn(params) }, false);
        if (report !== undefined && report.pinned.entries > 0)
          return refusal(409, 'it is pinned; take the pin away first');
        return found(report);
      },
    },
    {
      method: 'GET',
      path: '/api/v1/images',
      summary:
        'Images whose manifest is stored, a page at a time; a page may hold fewer than its limit and have a next one',
      query: { limit: LIMIT, cursor: CURSOR, registry: REGISTRY_NAME, repository: REPOSITORY_NAME },
      answers: { 200: { description: 'a page', schema: shared('ImagePage') }, 400: BAD },
      run: async ({ query }) => ({ body: await inventory.images(query as unknown as ImageQuery) }),
    },
    {
      method: 'GET',
      path: '/api/v1/image',
      summary: 'One image with all its parts',
      query: { name: IMAGE_NAME },
      requiredQuery: ['name'],
      answers: { 200: { description: 'the image', schema: shared('Image') }, 400: BAD, 404: ABSENT },
      run: async ({ query }) => found(await inventory.image(String(query['name']))),
    },
  ];
}

function digestIn(params: Readonly<Record<string, string>>): Digest {
  return params['digest'] as Digest;
}

function found(value: object | undefined): AdminAnswer {
  return value === undefined ? refusal(404, 'it is not in the store') : { body: value };
}
