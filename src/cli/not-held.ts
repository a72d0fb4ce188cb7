import { ConfigError } from '../errors.js';
import type { InventoryOperations } from '../inventory/contract.js';
import { formatImage, formatRepository, type Named, parseName } from '../inventory/image-name.js';

const HTTP = 'http://';

/**
 * Says that something is not in the store, without a full stop. The same host with and without TLS is two registries,
 * with names of their own: where the other one has it, that name is told.
 */
export async function describeNotHeld(
  inventory: Pick<InventoryOperations, 'image' | 'images'>,
  text: string,
): Promise<string> {
  const other = text.startsWith(HTTP) ? text.slice(HTTP.length) : `${HTTP}${text}`;
  const isOther = await holds(inventory, text, other);
  if (!isOther) return `${text} is not in the store`;
  return `${text} is not in the store, but ${other} is: only what came over plain HTTP has http:// in front of its name`;
}

async function holds(
  inventory: Pick<InventoryOperations, 'image' | 'images'>,
  text: string,
  other: string,
): Promise<boolean> {
  const [named, otherNamed] = [nameOf(text), nameOf(other)];
  // What names no registry of its own is Docker Hub's, and `alpine:3.20` no host.
  const isOfHost = named !== undefined && registryOf(named) !== undefined && registryOf(named) !== 'docker.io';
  if (!isOfHost || otherNamed === undefined || otherNamed.kind !== named.kind) return false;
  if (otherNamed.kind === 'image') return (await inventory.image(formatImage(otherNamed.image))) !== undefined;
  if (otherNamed.kind === 'digest') return false;
  const filter =
    otherNamed.kind === 'registry'
      ? { registry: otherNamed.registry }
      : { repository: formatRepository(otherNamed.repository) };
  const { images, next } = await inventory.images({ ...filter, limit: 1 });
  return images.length > 0 || next !== undefined;
}

function registryOf(named: Named): string | undefined {
  if (named.kind === 'registry') return named.registry;
  if (named.kind === 'repository') return named.repository.registry;
  return named.kind === 'image' ? named.image.registry : undefined;
}

function nameOf(text: string): Named | undefined {
  try {
    return parseName(text);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}
