import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { issuedCertificates } from '../../../client/src/revoked-certificates.ts';
import { parseX509Context, type X509Context } from '../../../client/src/x509-context.ts';
import type { CodedError } from '../../../src/base/errors.ts';
import {
  X509SVIDResponseSchema,
  X509SVIDSchema,
} from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { type X509Answer, x509Answer } from '../../fakes/fake-workload-api.ts';
import { newKeys, TestCa, type TestSvid } from '../../fakes/test-ca.ts';
import { crlOf } from '../../fakes/test-crl.ts';

const ca = new TestCa('example.org');
const other = new TestCa('other.org');
const svid = ca.svid('/web');

type Message = MessageInitShape<typeof X509SVIDSchema>;

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function parse(answer: X509Answer): { context: X509Context; problems: CodedError[] } {
  const problems: CodedError[] = [];
  const context = parseX509Context(create(X509SVIDResponseSchema, answer), (problem) => {
    problems.push(problem);
  });
  return { context, problems };
}

/** A good answer of two SVIDs, the second of them changed. */
function answerWith(change: Partial<Message>): X509Answer {
  const [first = {}] = x509Answer(ca, [ca.svid('/api')]).svids ?? [];
  const [second] = x509Answer(ca, [svid]).svids ?? [];
  return {
    svids: [
      create(X509SVIDSchema, first),
      create(X509SVIDSchema, { ...second, ...change } as Message),
    ],
  };
}

test('an answer gives SVIDs in order, keys, hints and bundles by trust domain', () => {
  const hinted = [{ ...svid, hint: 'inner' }, ca.svid('/api')];
  const { context, problems } = parse(x509Answer(ca, hinted, [other]));
  const [first, second] = context.svids;
  assert.equal(first.spiffeId, 'spiffe://example.org/web');
  assert.equal(first.hint, 'inner');
  assert.deepEqual(first.chain.map(hex), svid.chain.map(hex));
  assert.ok(first.privateKey.equals(svid.privateKey));
  assert.equal(second?.spiffeId, 'spiffe://example.org/api');
  assert.deepEqual([...context.bundles.keys()].toSorted(), ['example.org', 'other.org']);
  assert.deepEqual(problems, []);
});

test('WA-19: of two SVIDs with one hint the first keeps it', () => {
  const { context } = parse(
    x509Answer(ca, [
      { ...svid, hint: 'same' },
      { ...ca.svid('/api'), hint: 'same' },
    ]),
  );
  assert.deepEqual(
    context.svids.map(({ hint }) => hint),
    ['same', ''],
  );
});

const pem = Buffer.from('-----BEGIN CERTIFICATE-----\n');
const leaf = (made = svid) => ({ x509Svid: Buffer.concat(made.chain) });
const pkcs8 = newKeys().privateKey.export({ type: 'pkcs8', format: 'der' });
const sec1 = svid.privateKey.export({ type: 'sec1', format: 'der' });
const keys = { publicKey: newKeys().publicKey, privateKey: svid.privateKey };
const twoUris = ['spiffe://example.org/web', 'spiffe://example.org/root'];
const bad: readonly [string, Partial<Message>, RegExp][] = [
  ['no SPIFFE ID', { spiffeId: '' }, /svids\[1\]: SPIFFE ID/],
  ['another SPIFFE ID', { spiffeId: 'spiffe://example.org/root' }, /another SPIFFE ID/],
  ['no certificate', { x509Svid: new Uint8Array() }, /x509_svid: empty/],
  ['PEM', { x509Svid: pem }, /certificates/],
  ['no key', { x509SvidKey: new Uint8Array() }, /x509_svid_key: not a PKCS#8 key/],
  ['a SEC 1 key', { x509SvidKey: sec1 }, /x509_svid_key: not a PKCS#8 key/],
  ['the key of another', { x509SvidKey: pkcs8 }, /not the key of the certificate/],
  ['no bundle', { bundle: new Uint8Array() }, /bundle: empty/],
  ['a bundle that is none', { bundle: pem }, /certificates/],
  ['a leaf for a bundle', { bundle: svid.chain[0] ?? pem }, /authority: not a CA/],
  ['two URIs', leaf(ca.svid('/web', { uris: twoUris }, keys)), /exactly one URI/],
  ['a CA certificate', leaf(ca.svid('/web', { ca: true }, keys)), /a CA certificate/],
  [
    'a leaf above the leaf',
    { x509Svid: Buffer.concat([...svid.chain, ...svid.chain]) },
    /not a CA/,
  ],
];

for (const [name, change, message] of bad) {
  test(`WA-11: ${name} in one SVID spoils the whole answer`, () => {
    assert.throws(() => parse(answerWith(change)), { code: 'invalid-argument', message });
  });
}

test('WA-11: an answer without SVIDs is spoiled', () => {
  assert.throws(() => parse({ svids: [] }), { message: 'svids: none' });
});

test('a bundle of another trust domain that cannot be read costs only that trust', () => {
  const answer = x509Answer(ca, [svid], [other]);
  const federatedBundles = { ...answer.federatedBundles, 'spiffe://third.org': pem };
  const { context, problems } = parse({ ...answer, federatedBundles });
  assert.deepEqual([...context.bundles.keys()].toSorted(), ['example.org', 'other.org']);
  assert.match(problems.map(String).join(), /bundle of "spiffe:\/\/third.org"/);
});

test('the federated list cannot replace the authorities of the own trust domain', () => {
  const answer = x509Answer(ca, [svid]);
  const federatedBundles = { 'spiffe://example.org': other.certificate };
  const { context } = parse({ ...answer, federatedBundles });
  const [bundle] = [...context.bundles.values()];
  assert.deepEqual(bundle?.authorities.map(hex), [hex(ca.certificate)]);
});

test('certificates on a list of the answer are revoked; what is no list is reported and left out', () => {
  const [gone, stays] = [ca.svid('/gone'), ca.svid('/stays')];
  const crl = [Buffer.from('no list'), crlOf(ca, [gone]), crlOf(other, [stays])];
  const { context, problems } = parse({ ...x509Answer(ca, [svid]), crl });
  const isRevoked = ({ chain }: TestSvid) =>
    issuedCertificates(chain).map((each) => context.revoked.has(each));
  assert.deepEqual(
    [isRevoked(gone), isRevoked(stays), isRevoked(svid)],
    [[true], [false], [false]],
  );
  assert.deepEqual(
    problems.map(({ message }) => message.split(':')[0]),
    ['crl[0]'],
  );
  const many = Array.from({ length: 1001 }, () => crl[1] ?? new Uint8Array());
  assert.throws(() => parse({ ...x509Answer(ca, [svid]), crl: many }), { message: /exceed 1000/ });
});
