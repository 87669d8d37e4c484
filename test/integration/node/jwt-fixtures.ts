// Pods that ask for JWT-SVIDs.

import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach } from 'node:test';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { NodeHarness } from './node-harness.ts';

export let node: NodeHarness;

/** For each test a node plugin of its own. */
export function useNode(): void {
  beforeEach(async () => {
    node = await NodeHarness.start();
  });
  afterEach(async () => await node.stop());
}

export async function pod(paths: readonly string[], more: Parameters<typeof podMessage>[2] = {}) {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, paths, more));
  const { workload } = await node.publish({ uid });
  const fetch = async (audience: string[], spiffeId = '') =>
    (await workload.fetchJWTSVID({ audience, spiffeId }, node.call)).svids;
  return { uid, workload, fetch };
}

export const bad: readonly (readonly [string, string[], string])[] = [
  ['no audience', [], ''],
  ['an empty audience', [''], ''],
  ['eleven audiences', Array.from({ length: 11 }, (_, index) => `a${index}`), ''],
  ['an audience over 1024 bytes', ['x'.repeat(1025)], ''],
  ['a SPIFFE ID that is none', ['db'], 'example.org/a'],
];
