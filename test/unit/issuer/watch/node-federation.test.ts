// Which foreign bundles reach which node, and how entries that select by label are resolved.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { parseLabelSelector } from '../../../../src/crds/label-selector.ts';
import type { FederatedTrustDomain, IssuableEntry } from '../../../../src/issuer/pod-source.ts';
import { addFederating, NodeFederation } from '../../../../src/issuer/watch/node-federation.ts';
import { NodeOutbox } from '../../../../src/issuer/watch/node-outbox.ts';
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { bundleOf } from '../../federation/fixtures.ts';
import { entry, MapPodSource, NODE, pod } from '../fixtures.ts';

const foreign = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  bundle: bundleOf(name),
  labels,
});
const everything = { requirements: [] };
const gold = parseLabelSelector({ matchLabels: { tier: 'gold' } }, 'selector');

let known: FederatedTrustDomain[];
let pods: MapPodSource;
let node: NodeFederation;

beforeEach(() => {
  known = [foreign('a.test', { tier: 'gold' }), foreign('b.test'), foreign('c.test')];
  pods = new MapPodSource();
  node = new NodeFederation(NODE, {
    pods,
    federation: { federatedTrustDomains: () => known, onFederationChange: () => () => {} },
  });
});

const names = () => node.take().map(({ trustDomain }) => trustDomain);
const podWith = (uid: string, change: Partial<IssuableEntry>) =>
  pod({ uid, entries: [entry(change)] });
const named = (...list: readonly string[]) => ({ federatesWith: list.map(parseTrustDomain) });

test('A8: a node gets the bundles that its pods name, and no others', () => {
  pods.set(podWith('1', named('a.test')));
  pods.set(podWith('2', named('a.test', 'c.test', 'unknown.test')));
  pods.set({ ...podWith('3', named('b.test')), node: 'node-2' });
  pods.set({ ...podWith('4', named('b.test')), volumes: [] });
  assert.deepEqual(names(), ['a.test', 'c.test']);
});

test('* is every trust domain that is declared, a selector those with such labels', () => {
  const of = (change: Partial<IssuableEntry>) => node.of(entry(change));
  assert.deepEqual(of({ federatesWithMatching: everything }), ['a.test', 'b.test', 'c.test']);
  assert.deepEqual(of({ federatesWithMatching: gold }), ['a.test']);
  const both = { ...named('b.test', 'unknown.test'), federatesWithMatching: gold };
  assert.deepEqual(of(both), ['b.test', 'unknown.test', 'a.test']);
  known = [foreign('d.test', { tier: 'gold' })];
  assert.deepEqual(of({ federatesWithMatching: gold }), ['d.test']);
  assert.deepEqual(of(named('a.test')), ['a.test']);
});

test('a pod that needs a bundle the node has not, is known before it is sent', () => {
  pods.set(podWith('1', named('a.test')));
  assert.deepEqual(names(), ['a.test']);
  assert.equal(node.lacks(podWith('2', named('a.test'))), false);
  assert.equal(node.lacks(podWith('2', named('unknown.test'))), false);
  assert.equal(node.lacks(podWith('2', named('b.test'))), true);
  pods.set(podWith('2', named('b.test')));
  assert.deepEqual(names(), ['a.test', 'b.test']);
  assert.equal(node.lacks(podWith('2', named('b.test'))), false);
});

test('FE-32: a bundle that is not there any more is not sent any more', () => {
  pods.set(podWith('1', { federatesWithMatching: everything }));
  assert.equal(names().length, 3);
  known = [];
  assert.deepEqual(names(), []);
});

test('pods that select are told again when the set changes, and no others', () => {
  pods.set(podWith('1', named('a.test')));
  pods.set(podWith('2', { federatesWithMatching: gold }));
  pods.set({ ...podWith('3', { federatesWithMatching: gold }), node: 'node-2' });
  const outbox = new NodeOutbox();
  addFederating({ node: NODE, outbox, acknowledged: new Map(), end: () => {} }, pods);
  assert.deepEqual(outbox.takePod(), { podUid: '2', isGone: false });
  assert.equal(outbox.takePod(), undefined);
});
