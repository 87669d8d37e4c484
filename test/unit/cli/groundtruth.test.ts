// Replays what was recorded from spire-controller-manager through `signet render`: the same entries,
// the same counts, the same pods that failed. Each difference is named here with its reason, and a
// difference that is gone fails the test as well.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type RenderedEntry, type Rendering, renderCommand } from '../../../src/cli/render.ts';
import { runCommand } from './run-command.ts';

const RECORDED = join(import.meta.dirname, '../../fixtures/groundtruth');

type Entry = Omit<RenderedEntry, 'policy' | 'namespace' | 'pod' | 'served' | 'reason'> & {
  readonly storeSVID: boolean;
};
type Stats = Readonly<Record<string, number>>;
type StoredObject = {
  readonly metadata: { readonly uid: string; readonly name: string; readonly namespace?: string };
};

function recorded(name: string): unknown {
  return JSON.parse(readFileSync(join(RECORDED, name), 'utf8'));
}

const ENTRIES = recorded('expected-entries.json') as Record<string, readonly Entry[]>;
const STATUS = recorded('expected-status.json') as Record<
  string,
  Record<string, { stats?: Stats }>
>;
const FAILURES = (
  recorded('expected-failures.json') as { render: Record<string, Record<string, string>> }
).render;
const PODS = recorded('pods-as-stored.json') as readonly StoredObject[];
const NODES = recorded('nodes-as-stored.json') as readonly StoredObject[];

const SCENARIOS: Readonly<Record<string, { folder: string; flags: readonly string[] }>> = {
  fields: { folder: 'fields', flags: ['--class-name', 'mine'] },
  selectors: { folder: 'selectors', flags: ['--class-name', 'mine'] },
  templates: { folder: 'templates', flags: ['--class-name', 'mine'] },
  'class-mine-watch': { folder: 'class', flags: ['--class-name', 'mine'] },
  'class-mine-nowatch': { folder: 'class', flags: ['--class-name', 'mine', '--ignore-classless'] },
  'class-unset': { folder: 'class', flags: [] },
};
const SETTINGS = [
  '--trust-domain',
  'peer.test',
  '--cluster-name',
  'peer',
  '--cluster-domain',
  'cluster.local',
  ...['kube-system', 'kube-public', 'spire-system', 'gt-ignored'].flatMap((name) => [
    '--ignore-namespace',
    name,
  ]),
];

const REFUSED =
  'an entry that SPIRE server refuses is not counted as set, and its pods are in failures';
const TOO_LONG = 'an ID over 2,048 bytes is no SPIFFE ID';
const FEDERATION =
  'a trust domain that nobody federates with costs the entry nothing but that bundle';

/** Differences by scenario: the policy, what differs, and why that is wanted. */
const KNOWN: Readonly<Record<string, readonly (readonly [string, string, string])[]>> = {
  fields: [
    [
      'fie-federates-unknown',
      'more: spiffe://peer.test/f-federates-unknown/ns/gt-alpha/sa/web/pod/web-1',
      FEDERATION,
    ],
    [
      'fie-federates-unknown',
      'more: spiffe://peer.test/f-federates-unknown/ns/gt-beta/sa/web/pod/web-1',
      FEDERATION,
    ],
    ['fie-federates-unknown', 'entryFailures: 0, not 2', FEDERATION],
    ['fie-hint-1025', 'entriesToSet: 0, not 2', REFUSED],
    ['fie-hint-1025', 'fails: gt-alpha/web-1', REFUSED],
    ['fie-hint-1025', 'fails: gt-beta/web-1', REFUSED],
    ['fie-ttl-negative', 'entriesToSet: 0, not 2', REFUSED],
    ['fie-ttl-negative', 'fails: gt-alpha/web-1', REFUSED],
    ['fie-ttl-negative', 'fails: gt-beta/web-1', REFUSED],
  ],
  templates: [
    ...['tem-no-path', 'tem-reserved-spire-path', 'tem-spire-server-path'].flatMap((policy) => [
      [policy, 'entriesToSet: 0, not 3', REFUSED] as const,
      [policy, 'fails: gt-alpha/api-1', REFUSED] as const,
      [policy, 'fails: gt-alpha/web-1', REFUSED] as const,
      [policy, 'fails: gt-alpha/web-2', REFUSED] as const,
    ]),
    ['tem-long-path', 'fewer: spiffe://peer.test/t82/xxx', TOO_LONG],
    ['tem-long-path', 'entriesToSet: 0, not 1', TOO_LONG],
    ['tem-long-path', 'podEntryRenderFailures: 1, not 0', TOO_LONG],
    ['tem-long-path', 'fails: gt-alpha/odd-values', TOO_LONG],
  ],
};

async function replay(scenario: string): Promise<Rendering> {
  const { folder, flags } = SCENARIOS[scenario] ?? assert.fail(scenario);
  const directory = join(RECORDED, 'scenarios', folder);
  const files = readdirSync(directory).toSorted();
  const stored = ['namespaces', 'nodes', 'pods', 'endpoints'].map(
    (name) => `${name}-as-stored.json`,
  );
  const { code, out } = await runCommand(renderCommand, [
    '-f',
    ...files.map((name) => join(directory, name)),
    '--objects',
    ...[...stored, 'services.yaml'].map((name) => join(RECORDED, name)),
    '-o',
    'json',
    ...SETTINGS,
    ...flags,
  ]);
  assert.equal(code, 0);
  return JSON.parse(out) as Rendering;
}

const NAMES: readonly (readonly [string, string])[] = [
  ...PODS.map(
    ({ metadata }) => [metadata.uid, `<pod:${metadata.namespace}/${metadata.name}>`] as const,
  ),
  ...NODES.map(({ metadata }) => [metadata.uid, `<node:${metadata.name}>`] as const),
];

/** An entry as it was recorded, as text. */
function entryText(entry: RenderedEntry | Entry): string {
  const text = JSON.stringify([
    entry.spiffeID,
    entry.parentID,
    entry.selectors.toSorted(),
    entry.dnsNames,
    entry.federatesWith,
    entry.hint,
    entry.x509SVIDTTL,
    entry.jwtSVIDTTL,
    entry.admin,
    entry.downstream,
  ]);
  return NAMES.reduce((named, [uid, name]) => named.replaceAll(uid, name), text);
}

function idOf(text: string): string {
  const [id] = JSON.parse(text) as string[];
  return (id ?? '').replace(/x{100,}.*/, 'xxx');
}

function entryDifferences(scenario: string, { entries }: Rendering): readonly string[] {
  const theirs = (ENTRIES[scenario] ?? assert.fail(scenario)).map(entryText);
  const ours = entries.map(entryText);
  assert.equal(new Set(theirs).size, theirs.length);
  assert.equal(new Set(ours).size, ours.length);
  return [
    ...ours.filter((text) => !theirs.includes(text)).map((text) => `more: ${idOf(text)}`),
    ...theirs.filter((text) => !ours.includes(text)).map((text) => `fewer: ${idOf(text)}`),
  ];
}

function policyDifferences(scenario: string, { policies, failures }: Rendering): readonly string[] {
  return policies.flatMap(({ name, status }) => {
    const { stats: theirs } = STATUS[scenario]?.[name] ?? assert.fail(name);
    const ours = 'stats' in status ? status.stats : undefined;
    assert.equal(ours === undefined, theirs === undefined, `${name}: whose class`);
    if (ours === undefined || theirs === undefined) return [];
    assert.deepEqual(Object.keys(ours).toSorted(), Object.keys(theirs).toSorted());
    const failing = failures
      .filter(({ policy }) => policy === name)
      .map(({ namespace, pod }) => `${namespace}/${pod}`);
    const recordedFailing = Object.keys(FAILURES[name] ?? {});
    return [
      ...Object.entries(ours)
        .filter(([key, value]) => value !== theirs[key])
        .map(([key, value]) => `${name} ${key}: ${value}, not ${theirs[key]}`),
      ...failing
        .filter((pod) => !recordedFailing.includes(pod))
        .map((pod) => `${name} fails: ${pod}`),
      ...recordedFailing
        .filter((pod) => !failing.includes(pod))
        .map((pod) => `${name} passes: ${pod}`),
    ];
  });
}

for (const scenario of Object.keys(SCENARIOS)) {
  const known = KNOWN[scenario] ?? [];
  test(`scenario ${scenario}: as recorded`, async () => {
    const rendering = await replay(scenario);
    const isOfEntry = ([, what]: readonly [string, string, string]) => /^(more|fewer):/.test(what);
    assert.deepEqual(
      entryDifferences(scenario, rendering).toSorted(),
      known
        .filter(isOfEntry)
        .map(([, what]) => what)
        .toSorted(),
    );
    assert.deepEqual(
      policyDifferences(scenario, rendering).toSorted(),
      known
        .filter((each) => !isOfEntry(each))
        .map(([policy, what]) => `${policy} ${what}`)
        .toSorted(),
    );
    assert.equal(rendering.policies.length, Object.keys(STATUS[scenario] ?? {}).length);
  });
}

test('the recording is whole: 135 policies over 33 pods', () => {
  const policies = new Set(Object.values(STATUS).flatMap((each) => Object.keys(each)));
  assert.equal(policies.size, 135);
  assert.equal(PODS.length, 33);
});
