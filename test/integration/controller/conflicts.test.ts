// What the webhook noted of a pod's variables, as an Event of the pod, once for each state of it.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import { ControllerHarness, EVENTS } from './controller-harness.ts';

let cluster: ControllerHarness;
beforeEach(async () => {
  cluster = await ControllerHarness.start();
});
afterEach(async () => await cluster.stop());

type Event = {
  readonly reason: string;
  readonly type: string;
  readonly message: string;
  readonly involvedObject: { readonly name: string };
};

const events = () => cluster.api.all(EVENTS) as unknown as readonly Event[];

function addPod(name: string, annotations: Record<string, string>): void {
  cluster.api.set(COLLECTIONS.Pod, {
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, annotations },
    spec: { nodeName: 'node-1', serviceAccountName: name },
    status: { phase: 'Running' },
  });
}

test('a pod whose variables defeat its identity hears of it, and no other pod does', async () => {
  addPod('keyed', { 'signet.dev/conflicts': 'ANTHROPIC_API_KEY in main' });
  addPod('plain', { 'signet.dev/other': 'ANTHROPIC_API_KEY in main' });
  addPod('long', { 'signet.dev/conflicts': 'X'.repeat(5000) });
  cluster.launch();
  await cluster.until(() => events().length === 2);
  const [keyed, long] = ['keyed', 'long'].map((name) =>
    events().find(({ involvedObject }) => involvedObject.name === name),
  );
  assert.equal(keyed?.reason, 'ConflictingVariables');
  assert.equal(keyed?.type, 'Warning');
  assert.match(keyed?.message ?? '', /instead of the pod's identity: ANTHROPIC_API_KEY in main$/);
  assert.ok((long?.message.length ?? 0) < 700, 'an author cannot make it long');
});
