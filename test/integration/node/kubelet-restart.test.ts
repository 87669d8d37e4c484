// What a kubelet does after its restart: it calls for all pods of its node at once.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Node } from '../../../src/transport/gen/csi/csi_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { NodeHarness } from './node-harness.ts';

const PODS = 110;

let node: NodeHarness;
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => await node.stop());

test('KU-12: calls for all pods at once, each on a connection of its own, are answered and sign nothing', async () => {
  const requests = Array.from({ length: PODS }, () => node.kubelet.request());
  for (const { volumeContext } of requests) {
    node.issuer.pushPod(podMessage(volumeContext['csi.storage.k8s.io/pod.uid'] ?? '', ['/a']));
  }
  const publishAll = async (): Promise<void> => {
    await Promise.all(
      requests.map(async (request) => {
        const client = createGrpcClient(Node, { target: `unix:${node.kubelet.csiSocket}` });
        await client.nodePublishVolume(request);
        client.close();
      }),
    );
  };
  let signed = 0;
  node.issuer.x509Verdict = () => {
    signed += 1;
    return undefined;
  };
  await publishAll();
  assert.equal(signed, PODS);
  await publishAll();
  assert.equal(signed, PODS);
});
