import { join } from 'node:path';
import { credentials, type Client as GrpcClient, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Account } from './client.js';

type Call = (request: object, done: (error: ServiceError | null) => void) => void;
type ImageServiceClient = GrpcClient & { PullImage: Call; RemoveImage: Call };
type ImageServiceConstructor = new (
  address: string,
  channel: ReturnType<typeof credentials.createInsecure>,
) => ImageServiceClient;

/** The image half of the CRI. */
export interface ImageService {
  pull(reference: string, account?: Account): Promise<void>;
  remove(reference: string): Promise<void>;
  close(): void;
}

/** Speaks to the CRI at a Unix socket. */
export function imageService(socket: string): ImageService {
  const definition = loadPackageDefinition(loadSync(join(import.meta.dirname, 'cri.proto')));
  const { runtime } = definition as unknown as { runtime: { v1: { ImageService: ImageServiceConstructor } } };
  const client = new runtime.v1.ImageService(`unix://${socket}`, credentials.createInsecure());

  function call(name: 'PullImage' | 'RemoveImage', request: object): Promise<void> {
    return new Promise((resolve, reject) => {
      client[name](request, (error) => (error ? reject(error) : resolve()));
    });
  }

  return {
    pull: (reference, account) =>
      call('PullImage', { image: { image: reference }, ...(account ? { auth: account } : {}) }),
    remove: (reference) => call('RemoveImage', { image: { image: reference } }),
    close: () => client.close(),
  };
}
