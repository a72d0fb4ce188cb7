import { randomUUID } from 'node:crypto';
import { headerValue } from '../../src/http/headers.js';
import type { Answer } from './registry-answer.js';
import { error } from './registry-auth.js';
import { digestText, type RegistryContent, type TestAlgorithm } from './registry-content.js';
import type { RecordedRequest } from './registry-log.js';

interface Upload {
  readonly repository: string;
  bytes: Buffer;
}

/** The upload sessions of a registry: POST, PATCH, PUT, GET and DELETE below `/blobs/uploads/`. */
export class RegistryUploads {
  readonly #content: RegistryContent;
  readonly #sessions = new Map<string, Upload>();

  constructor(content: RegistryContent) {
    this.#content = content;
  }

  answer(request: RecordedRequest): Answer {
    const repository = request.repository ?? '';
    const query = new URL(request.path, 'https://registry.test').searchParams;
    if (request.method === 'POST') return this.#start(repository, query, request.body);
    const id = request.reference ?? '';
    const upload = this.#sessions.get(id);
    if (upload?.repository !== repository) return error(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
    switch (request.method) {
      case 'PATCH':
        return this.#append(id, upload, request);
      case 'PUT':
        upload.bytes = Buffer.concat([upload.bytes, request.body]);
        this.#sessions.delete(id);
        return this.#finish(repository, query.get('digest') ?? '', upload.bytes);
      case 'DELETE':
        this.#sessions.delete(id);
        return empty(204);
      default:
        return empty(204, progress(repository, id, upload));
    }
  }

  #start(repository: string, query: URLSearchParams, body: Buffer): Answer {
    const mount = query.get('mount');
    if (mount !== null && this.#content.findBlob(query.get('from') ?? '', mount) !== undefined) {
      this.#content.repository(repository).blobs.add(mount);
      return empty(201, ['Location', `/v2/${repository}/blobs/${mount}`, 'Docker-Content-Digest', mount]);
    }
    const digest = query.get('digest');
    if (digest !== null) return this.#finish(repository, digest, body);
    const id = randomUUID();
    const upload = { repository, bytes: Buffer.alloc(0) };
    this.#sessions.set(id, upload);
    return empty(202, progress(repository, id, upload));
  }

  #append(id: string, upload: Upload, request: RecordedRequest): Answer {
    const range = headerValue(request.headers, 'content-range');
    if (range !== undefined && Number(range.split('-')[0]) !== upload.bytes.length) {
      const headers = progress(upload.repository, id, upload);
      return { ...error(416, 'BLOB_UPLOAD_INVALID', 'out of order'), headers };
    }
    upload.bytes = Buffer.concat([upload.bytes, request.body]);
    return empty(202, progress(upload.repository, id, upload));
  }

  #finish(repository: string, digest: string, bytes: Buffer): Answer {
    const algorithm: TestAlgorithm = digest.startsWith('sha512:') ? 'sha512' : 'sha256';
    if (digestText(bytes, algorithm) !== digest) return error(400, 'DIGEST_INVALID', 'digest does not match content');
    this.#content.addBlob(repository, bytes, { algorithm });
    return empty(201, ['Location', `/v2/${repository}/blobs/${digest}`, 'Docker-Content-Digest', digest]);
  }
}

function progress(repository: string, id: string, upload: Upload): string[] {
  const location = `/v2/${repository}/blobs/uploads/${id}?_state=${Buffer.from(id).toString('base64url')}`;
  const range = `0-${Math.max(0, upload.bytes.length - 1)}`;
  return ['Location', location, 'Range', range, 'Docker-Upload-UUID', id, 'OCI-Chunk-Min-Length', '1024'];
}

function empty(status: number, headers: readonly string[] = []): Answer {
  return { status, headers, body: Buffer.alloc(0) };
}
