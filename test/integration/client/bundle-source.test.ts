// Bundles that follow the Workload API, and JWT-SVIDs checked by them without asking anybody.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import {
  BundleSource,
  memberOf,
  oneOf,
  parseTrustDomain,
  verifyJwtSvid,
} from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { FakeWorkloadApi } from '../../fakes/fake-workload-api.ts';
import { JwtSigner } from '../../fakes/jwt-signer.ts';
import { TestCa } from '../../fakes/test-ca.ts';

const LIMIT_MS = 10_000;
const AGENT = 'spiffe://example.org/agent';
const signer = new JwtSigner('one');
const foreign = new JwtSigner('two');
const ca = new TestCa('example.org');

let directory: string;
let api: FakeWorkloadApi;
let source: BundleSource;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signet-bundles-'));
  api = new FakeWorkloadApi(join(directory, 's'));
  await api.start();
  api.x509Bundles.set({ bundles: { 'spiffe://example.org': ca.certificate } });
  api.jwtBundles.set({
    bundles: {
      'spiffe://example.org': await signer.bundle(),
      'spiffe://other.org': await foreign.bundle(),
    },
  });
  source = new BundleSource({ address: api.address });
  await source.ready(AbortSignal.timeout(LIMIT_MS));
});

afterEach(async () => {
  source.close();
  await api.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('both profiles are there once it is ready, by trust domain', () => {
  assert.equal(source.bundleOf(parseTrustDomain('example.org'))?.authorities.length, 1);
  assert.equal(source.bundleOf(parseTrustDomain('other.org')), undefined);
  assert.deepEqual([...source.jwtBundles.keys()].toSorted(), ['example.org', 'other.org']);
});

test('a rotated key counts at once, the old one no more; the server may be away in between', async () => {
  const check = { source, audience: 'db', authorize: memberOf('example.org') };
  const old = await signer.token(AGENT, 'db');
  assert.equal(verifyJwtSvid(old, check).spiffeId, AGENT);
  await api.kill();
  assert.equal(verifyJwtSvid(old, check).spiffeId, AGENT);
  const next = new JwtSigner('next');
  api.jwtBundles.set({ bundles: { 'spiffe://example.org': await next.bundle() } });
  await api.start();
  await until(() => source.jwtBundles.get(parseTrustDomain('example.org'))?.has('next') === true);
  assert.equal(verifyJwtSvid(await next.token(AGENT, 'db'), check).spiffeId, AGENT);
  assert.throws(() => verifyJwtSvid(old, check), { code: 'unauthenticated', message: /kid/ });
});

test('what the server withdraws is not used any more', async () => {
  const check = { source, audience: 'db', authorize: memberOf('example.org') };
  const token = await signer.token(AGENT, 'db');
  api.jwtBundles.set(new CodedError('permission-denied', 'no identity issued'));
  await until(() => {
    try {
      return source.jwtBundles.size < 0;
    } catch {
      return true;
    }
  });
  assert.throws(() => verifyJwtSvid(token, check), { code: 'unavailable', message: /authorities/ });
  assert.equal(source.x509Bundles.size, 1);
});

test('a token is for the audience and of a trust domain and ID that were asked for', async () => {
  const token = await signer.token(AGENT, 'db');
  const other = await foreign.token('spiffe://other.org/agent', 'db');
  const check = { source, audience: 'db', authorize: memberOf('example.org') };
  const refused = (code: string, message: RegExp) => ({ code, message });
  assert.throws(
    () => verifyJwtSvid(token, { ...check, audience: 'queue' }),
    refused('unauthenticated', /aud: another audience/),
  );
  assert.throws(() => verifyJwtSvid(token, { ...check, audience: '' }), /audience/);
  // Its authority is known, but not taken for this check.
  assert.throws(() => verifyJwtSvid(other, check), refused('unauthenticated', /kid/));
  assert.throws(
    () => verifyJwtSvid(token, { ...check, authorize: oneOf([`${AGENT}/other`]) }),
    refused('permission-denied', /peer is/),
  );
  // The key of one trust domain signs nothing for another.
  const forged = await foreign.token(AGENT, 'db', { header: { kid: 'one' } });
  assert.throws(() => verifyJwtSvid(forged, check), refused('unauthenticated', /signature/));
});

test('one profile alone leaves the other unasked for', async () => {
  const calls = api.calls.length;
  const jwt = new BundleSource({ address: api.address, profiles: ['jwt'] });
  await jwt.ready(AbortSignal.timeout(LIMIT_MS));
  assert.deepEqual(api.calls.slice(calls), ['FetchJWTBundles']);
  assert.throws(() => jwt.x509Bundles, { code: 'failed-precondition' });
  jwt.close();
  assert.throws(() => jwt.jwtBundles, { code: 'unavailable' });
});

test('before the first answer there is nothing, and the error says why', async () => {
  await api.stop();
  const early = new BundleSource({ address: api.address });
  assert.throws(() => early.jwtBundles, { code: 'unavailable' });
  await assert.rejects(early.ready(AbortSignal.timeout(300)), { message: /no .* bundles yet/ });
  await api.start();
  await early.ready(AbortSignal.timeout(LIMIT_MS));
  assert.equal(early.jwtBundles.size, 2);
  early.close();
});

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000 && !holds(); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(holds());
}
