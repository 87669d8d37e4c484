// Pods that are served, and the steps of time that lead to their renewal.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach } from 'node:test';
import { readCertificate, splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { Messages, NodeHarness } from './node-harness.ts';

export let node: NodeHarness;

/** For each test a node plugin of its own. */
export function useNode(): void {
  beforeEach(async () => {
    node = await NodeHarness.start();
  });
  afterEach(async () => await node.stop());
}

export const HOUR = 3_600_000;
/** Back-off runs on the test's clock, the channel's own on the real one. */
export const step = async () => await node.clock.advance(20);

export async function servedPod(path = '/a') {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, [path]));
  const published = await node.publish({ uid });
  const stream = new Messages(published.workload.fetchX509SVID({}, node.call));
  return { uid, ...published, stream, first: leafOf(await stream.next()) };
}

export function leafOf(message: { svids: readonly { x509Svid: Uint8Array }[] }) {
  const [leaf] = splitCertificates(message.svids[0]?.x509Svid ?? new Uint8Array());
  assert.ok(leaf !== undefined);
  return readCertificate(leaf);
}
