// An API server with pods, and what a reflector has asked it.

import { afterEach, beforeEach } from 'node:test';
import type { ApiRequest } from '../../../fakes/fake-api-server.ts';
import { KubeHarness, PODS, pod } from '../kube-harness.ts';

export let kube: KubeHarness;

/** For each test an API server of its own. */
export function useKube(): void {
  beforeEach(async () => {
    kube = await KubeHarness.start();
  });
  afterEach(async () => {
    await kube.stop();
  });
}

export const isWatch = ({ query }: ApiRequest) => query.get('watch') === 'true';
export const isList = (request: ApiRequest) => request.path === PODS && !isWatch(request);
export const lists = () => kube.api.requests.filter(isList);
export const watches = () => kube.api.requests.filter(isWatch);

export function fill(...names: readonly string[]): void {
  for (const name of names) kube.api.set(PODS, pod(name));
}
