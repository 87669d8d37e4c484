// Pods with a client of their socket.

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

/** A pod that the issuer has entries for, published, with a client of its socket. */
export async function pod(paths: readonly string[], more: Parameters<typeof podMessage>[2] = {}) {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, paths, more));
  return { uid, ...(await node.publish({ uid })) };
}
export const ids = (message: { svids: readonly { spiffeId: string }[] }) =>
  message.svids.map((svid) => svid.spiffeId);
