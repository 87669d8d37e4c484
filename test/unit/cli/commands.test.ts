// What the offline commands print, in which shape, and how they refuse.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { explainCommand } from '../../../src/cli/explain.ts';
import { type Rendering, renderCommand } from '../../../src/cli/render.ts';
import type { PodExplanation } from '../../../src/identity/explain.ts';
import { runCommand } from './run-command.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
const NODE_UID = '00000000-0000-4000-8000-0000000000aa';

let directory: string;
const at = (name: string) => join(directory, name);

const pod = (name: string, labels: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'shop',
    uid: `00000000-0000-4000-8000-${name.padStart(12, '0')}`,
    labels: { 'signet.dev/inject': 'true', ...labels },
  },
  spec: { nodeName: 'n', serviceAccountName: 'default', containers: [] },
});
const policy = (name: string, spiffeIDTemplate: string) => ({
  apiVersion: 'spire.spiffe.io/v1alpha1',
  kind: 'ClusterSPIFFEID',
  metadata: { name },
  spec: { spiffeIDTemplate },
});
const OBJECTS = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
  { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n', uid: NODE_UID } },
  pod('1', { team: 'red' }),
  pod('2', { team: '..' }),
];

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-cli-'));
  const write = (name: string, object: unknown) => writeFileSync(at(name), JSON.stringify(object));
  write(
    'a.yaml',
    policy('by-team', 'spiffe://a.test/{{ .PodMeta.Labels.team }}/{{ .PodMeta.Name }}'),
  );
  write('b.yaml', policy('broken', 'spiffe://a.test/{{ .Nope'));
  write('x.json', { apiVersion: 'v1', kind: 'List', items: OBJECTS.slice(0, 3) });
  write('y.json', OBJECTS.slice(3));
  writeFileSync(at('bad.yaml'), 'a: [');
  mkdirSync(at('dir'));
  write('dir/all.json', OBJECTS);
  write('dir/policy.json', policy('by-team', 'spiffe://a.test/{{ .PodMeta.Labels.team }}/x'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const FILES = () => ['-f', at('a.yaml'), at('b.yaml'), '--objects', at('x.json'), at('y.json')];
const render = async (...args: readonly string[]) =>
  await runCommand(renderCommand, [...FILES(), '--trust-domain', 'a.test', ...args]);

test('render takes several files a flag, and prints entries, policies and failures', async () => {
  const { code, out, err } = await render('-o', 'json');
  assert.equal(code, 0, err);
  const { entries, policies, failures } = JSON.parse(out) as Rendering;
  assert.deepEqual(entries, [
    {
      policy: 'by-team',
      namespace: 'shop',
      pod: '1',
      spiffeID: 'spiffe://a.test/red/1',
      parentID: `spiffe://a.test/spire/agent/k8s_psat/cluster/${NODE_UID}`,
      selectors: ['k8s:pod-uid:00000000-0000-4000-8000-000000000001'],
      dnsNames: [],
      commonName: '',
      x509SVIDTTL: 0,
      jwtSVIDTTL: 0,
      hint: '',
      federatesWith: [],
      admin: false,
      downstream: false,
      served: true,
      reason: '',
    },
  ]);
  assert.deepEqual(
    policies.map(({ name, accepted }) => [name, accepted]),
    [
      ['by-team', true],
      ['broken', false],
    ],
  );
  assert.match(policies[1]?.message ?? '', /^spec\.spiffeIDTemplate: /);
  assert.deepEqual(
    failures.map(({ policy: name, namespace, pod: failed, reason }) => [
      name,
      namespace,
      failed,
      reason,
    ]),
    [['by-team', 'shop', '2', 'RenderFailed']],
  );
});

test('render prints tables: one of entries, one of policies, one of failures', async () => {
  const { out } = await render();
  const [entries, policies, failures, ...more] = out.split('\n\n');
  assert.deepEqual(more, []);
  assert.equal(
    entries,
    [
      'POLICY   POD     SPIFFE ID              SERVED',
      'by-team  shop/1  spiffe://a.test/red/1  yes',
    ].join('\n'),
  );
  assert.match(policies ?? '', /^POLICY +ACCEPTED +PODS +ENTRIES +FAILURES +MESSAGE\n/);
  assert.match(policies ?? '', /\nby-team +yes +2 +1 +1/);
  assert.match(policies ?? '', /\nbroken +no +0 +0 +0 +spec\.spiffeIDTemplate: /);
  assert.match(failures ?? '', /\nby-team +shop\/2 +RenderFailed +.*dot segment/);
});

test('render serves suspended pods to nobody and says why', async () => {
  const restriction = {
    apiVersion: 'signet.dev/v1alpha1',
    kind: 'IdentityRestriction',
    metadata: { name: 'stop' },
    spec: { match: { namespace: 'shop' }, suspend: true },
  };
  writeFileSync(at('stop.yaml'), JSON.stringify(restriction));
  const { out } = await render('-o', 'json', at('stop.yaml'));
  const { entries } = JSON.parse(out) as Rendering;
  assert.deepEqual(
    entries.map(({ served, reason }) => ({ served, reason })),
    [{ served: false, reason: 'Suspended' }],
  );
});

test('render names a file that does not parse, reads the others, and exits with 1', async () => {
  const { code, out, err } = await render('-o', 'json', at('bad.yaml'));
  assert.equal(code, 1);
  assert.match(err, /^error: .*bad\.yaml: /);
  assert.equal((JSON.parse(out) as Rendering).entries.length, 1);
});

const explain = async (...args: readonly string[]) =>
  await runCommand(explainCommand, [...args, '-n', 'shop', '--dir', at('dir')]);

test('explain says what a pod has, and who could have written each part of it', async () => {
  const { code, out } = await explain('pod/1');
  assert.equal(code, 0);
  assert.match(out, /^shop\/1 has:\n {2}spiffe:\/\/a\.test\/red\/x {2}\(by-team\)\n/);
  assert.match(out, /\nby-team +Served/);
  assert.match(out, /\n {2}red {2}the pod's author \(\.PodMeta\.Labels\["team"\]\)\n/);
});

test('explain says why a pod has nothing', async () => {
  const { code, out } = await explain('pod/2');
  assert.equal(code, 0);
  assert.match(out, /^shop\/2 has no identity: RenderFailed\n/);
  assert.match(out, /\nby-team +RenderFailed +.*dot segment/);
});

test('explain prints the same for programs', async () => {
  const { out } = await explain('pod/1', '-o', 'json');
  const { namespace, pod: name, identities, policies } = JSON.parse(out) as PodExplanation;
  assert.deepEqual([namespace, name], ['shop', '1']);
  assert.deepEqual(
    identities.map(({ spiffeId }) => spiffeId),
    ['spiffe://a.test/red/x'],
  );
  assert.deepEqual(
    policies.map(({ policy: by, outcome }) => [by, outcome]),
    [['by-team', 'Served']],
  );
});

function signet(...args: readonly string[]) {
  return spawnSync(process.execPath, ['--conditions=source', MAIN, ...args], { encoding: 'utf8' });
}

const USAGE: readonly (readonly [readonly string[], RegExp])[] = [
  [['nope'], /^signet: no command "nope"; see signet --help$/],
  [['constructor'], /^signet: no command "constructor"/],
  [['\u001b[2J'], /^signet: no command "\\u001b\[2J"/],
  [['render', '--nope'], /^signet render: Unknown option '--nope'$/],
  [['render', '-o', 'xml'], /^signet render: --output: "xml" is not one of table, json, yaml$/],
  [
    ['render', '-f', '/nowhere', '--trust-domain', 'a.test'],
    /^signet render: \/nowhere: cannot be read$/,
  ],
  [['check', '--kubeconfig', '/nowhere'], /^signet check: \/nowhere: cannot be read$/],
  [['svid', 'inspect', '/nowhere'], /^signet svid: \/nowhere: cannot be read$/],
  [['render', '-f', '/dev/null', '--offline'], /^signet render: --trust-domain: must be given$/],
  [['explain', 'pod/a', '--dir', '/nowhere'], /^signet explain: \/nowhere: no such directory$/],
  [['dev', '/nowhere'], /^signet dev: \/nowhere: no such directory$/],
];
for (const [args, said] of USAGE) {
  test(`${JSON.stringify(args)} is one line on standard error, and 2`, () => {
    const { status, stdout, stderr } = signet(...args);
    assert.equal(stdout, '');
    assert.match(stderr.trimEnd(), said);
    assert.equal(stderr.trimEnd().split('\n').length, 1);
    assert.equal(status, 2);
  });
}

test('--help is for reading, and 0; a command without its arguments says the same, and 2', () => {
  const all = signet('--help');
  assert.equal(all.status, 0);
  for (const command of ['dev', 'render', 'explain', 'revoke', 'svid']) {
    assert.match(all.stdout, new RegExp(`\n {2}${command} +\\w`));
    const help = signet(command, '--help');
    assert.equal(help.status, 0);
    assert.match(help.stdout, new RegExp(`^usage: signet ${command} `));
    assert.equal(help.stderr, '');
    const bare = signet(command);
    assert.equal(bare.status, 2);
    assert.equal(bare.stderr, help.stdout);
    assert.equal(bare.stdout, '');
  }
});
