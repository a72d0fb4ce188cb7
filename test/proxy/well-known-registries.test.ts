import assert from 'node:assert/strict';
import { isWellKnownRegistry } from '../../src/proxy/well-known-registries.js';

describe('proxy/well-known-registries', () => {
  for (const host of [
    'registry-1.docker.io',
    'ghcr.io',
    'gcr.io',
    'eu.gcr.io',
    'europe-west1-docker.pkg.dev',
    '123456789012.dkr.ecr.eu-central-1.amazonaws.com',
    'example.azurecr.io',
    'public.ecr.aws',
  ]) {
    it(`knows ${host} on port 443 only`, () => {
      assert.equal(isWellKnownRegistry(host, 443), true);
      assert.equal(isWellKnownRegistry(host, 8443), false);
    });
  }

  for (const host of [
    'auth.docker.io',
    'production.cloudflare.docker.com',
    'notghcr.io',
    'ghcr.io.evil.test',
    'a.b.gcr.io',
    'gcr.io.test',
    'pkg.dev',
    'python.pkg.dev',
    'evil.dkr.ecr.eu-central-1.amazonaws.com',
    '123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.test',
    'azurecr.io',
  ]) {
    it(`does not know ${host}`, () => assert.equal(isWellKnownRegistry(host, 443), false));
  }
});
