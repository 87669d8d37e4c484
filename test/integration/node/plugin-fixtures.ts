// The whole plugin as the kubelet finds it.

import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { Registration } from '../../../src/transport/gen/kubelet/plugin_registration_pb.ts';
import { createGrpcClient, type GrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { NodeHarness } from './node-harness.ts';
import { endProcess } from './run-plugin-process.ts';

export let node: NodeHarness;
export let registration: GrpcClient<typeof Registration>;
export const children: ChildProcess[] = [];

/** For each test a node plugin, with a client of its registration socket. */
export function useNode(): void {
  beforeEach(async () => {
    node = await NodeHarness.start();
    registration = createGrpcClient(Registration, { target: `unix:${registrationSocket()}` });
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await endProcess(child, 'SIGKILL');
    registration.close();
    await node.stop();
  });
}

export const registrationSocket = () =>
  join(node.kubelet.root, 'plugins_registry/csi.spiffe.io-reg.sock');
