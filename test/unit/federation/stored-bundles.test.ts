// The stored document: read back as it was written, bound to names, within its room, by one writer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { BundleStore, withBundle } from '../../../src/federation/bundle-store.ts';
import {
  documentOf,
  type FederatedBundle,
  formatFederatedBundles,
  readFederatedBundles,
} from '../../../src/federation/federated-bundle.ts';
import type { Bundle } from '../../../src/spiffe/bundle/bundle.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { bundleOf, MemoryDocuments } from './fixtures.ts';

function stored(bundle: Bundle, more: Partial<FederatedBundle> = {}): FederatedBundle {
  const { trustDomain } = bundle;
  return {
    trustDomain,
    uid: 'uid',
    labels: { tier: 'gold', constructor: 'yes' },
    bundle,
    highestSequence: bundle.sequence,
    bootstrapDigest: '',
    isFetched: true,
    ...more,
  };
}

const reason = (wanted: string) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.reason === wanted;

test('FE-11: every bundle is stored and read back beside the name that it was declared for', () => {
  const all = new Map(
    ['b.test', 'a.test'].map((name) => {
      const each = stored(bundleOf(name, { sequence: 7, hint: 60 }));
      return [each.trustDomain, each] as const;
    }),
  );
  const read = readFederatedBundles(formatFederatedBundles(all));
  assert.deepEqual([...read.keys()], ['a.test', 'b.test']);
  for (const [name, { bundle, labels, highestSequence, isFetched }] of read) {
    assert.equal(documentOf(bundle), documentOf(all.get(name)?.bundle as Bundle));
    assert.equal(bundle.trustDomain, name);
    assert.equal(labels['tier'], 'gold');
    assert.equal(labels['constructor'], 'yes');
    assert.equal(highestSequence, 7);
    assert.equal(isFetched, true);
  }
});

test('what is no such document is never taken for an empty one', () => {
  const good = formatFederatedBundles(new Map());
  for (const text of ['', '{', '[]', '{"format":2,"trustDomains":[]}', '{"format":1}']) {
    assert.throws(() => readFederatedBundles(text), reason('StateDamaged'), text);
  }
  const one = stored(bundleOf('a.test'));
  const twice = formatFederatedBundles(new Map([[one.trustDomain, one]])).replace(
    /\[(\{"trustDomain".*\})\]\}$/,
    '[$1,$1]}',
  );
  assert.throws(() => readFederatedBundles(twice), reason('StateDamaged'));
  assert.equal(readFederatedBundles(good).size, 0);
});

test('a change that lost a race is made again on what is stored then', async () => {
  const documents = new MemoryDocuments();
  const store = new BundleStore(documents);
  await store.load();
  const [a, b] = [stored(bundleOf('a.test')), stored(bundleOf('b.test'))];
  documents.failures.push(new CodedError('aborted', 'changed'));
  let calls = 0;
  await store.change((bundles) => {
    calls += 1;
    return withBundle(bundles, a);
  });
  assert.equal(calls, 2);
  await Promise.all([
    store.change((bundles) => withBundle(bundles, b)),
    store.change((bundles) => withBundle(bundles, { ...a, uid: 'other' })),
  ]);
  assert.deepEqual([...readFederatedBundles(documents.text ?? '').keys()], ['a.test', 'b.test']);
  assert.equal(store.bundles.get(a.trustDomain)?.uid, 'other');
});

test('what could not be stored is not known either', async () => {
  const documents = new MemoryDocuments();
  const store = new BundleStore(documents);
  await store.load();
  documents.failures.push(new CodedError('unavailable', 'down'));
  const a = stored(bundleOf('a.test'));
  const change = store.change((bundles) => withBundle(bundles, a));
  await assert.rejects(change, reason('NotStored'));
  assert.equal(store.bundles.size, 0);
  documents.put('{"format":1,"trustDomains":0}');
  await assert.rejects(
    store.change((bundles) => withBundle(bundles, a)),
    reason('NotStored'),
  );
  assert.equal(documents.text, '{"format":1,"trustDomains":0}');
});

test('FE-34: one trust domain cannot take the room of the others', async () => {
  const store = new BundleStore(new MemoryDocuments());
  await store.load();
  const ca = new TestCa('a.test');
  const authorities = Array.from({ length: 300 }, () => ca.certificate);
  const big = stored(bundleOf('a.test', { authorities }));
  const change = store.change((bundles) => withBundle(bundles, big));
  await assert.rejects(change, reason('StoreFull'));
  assert.equal(store.bundles.size, 0);
});

test('FE-34: a few peers with large bundles do not shut out the others, and are named', async () => {
  const store = new BundleStore(new MemoryDocuments());
  await store.load();
  const big = (name: string, length: number) => {
    const ca = new TestCa(name);
    return { authorities: Array.from({ length }, () => ca.certificate) };
  };
  const put = async (name: string, shape = {}) =>
    await store.change((bundles) => withBundle(bundles, stored(bundleOf(name, shape))));
  const fill = async () => {
    for (let index = 0; index < 7; index += 1) {
      const name = `big-${index}.test`;
      await put(name, big(name, 140));
    }
  };
  await assert.rejects(fill(), (thrown) => {
    assert.match(CodedError.from(thrown).message, /the most is taken by big-\d\.test \d+, big-\d/);
    return reason('StoreFull')(thrown);
  });
  for (let index = 0; index < 2; index += 1) await put(`small-${index}.test`);
  assert.equal(store.bundles.get(stored(bundleOf('small-1.test')).trustDomain)?.uid, 'uid');
  await put('big-0.test', big('big-0.test', 139));
});

test('an unchanged set is not written again', async () => {
  const documents = new MemoryDocuments();
  const store = new BundleStore(documents);
  await store.load();
  assert.equal(documents.writes, 0);
  const a = stored(bundleOf('a.test'));
  await store.change((bundles) => withBundle(bundles, a));
  await store.change((bundles) => withBundle(bundles, a));
  await store.change((bundles) => bundles);
  assert.equal(documents.writes, 1);
});
