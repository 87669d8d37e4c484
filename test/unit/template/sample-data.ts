// A pod on a node, for templates; labels with the names that JavaScript's objects are born with.

import type { JsonObject, TemplateData } from '../../../src/template/template.ts';

/** Parsed, because a literal would set the prototype instead of the key `__proto__`. */
const labels = JSON.parse(
  '{"app":"web","zone":"eu-1","constructor":"made","toString":"text","__proto__":"proto","empty":""}',
) as JsonObject;

export const SAMPLE: TemplateData = {
  trustDomain: 'example.org',
  clusterName: 'c1',
  clusterDomain: 'cluster.local',
  pod: {
    metadata: {
      name: 'web-0',
      namespace: 'team-a',
      uid: 'u-1',
      creationTimestamp: '2026-03-05T04:05:06Z',
      labels,
      annotations: { note: 'n' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'o-1' }],
    },
    spec: {
      serviceAccountName: 'sa-web',
      nodeName: 'node-1',
      priority: 5,
      hostNetwork: true,
      containers: [
        { name: 'main', image: 'app:1' },
        { name: 'side', image: 'side:2' },
      ],
    },
  },
  node: {
    metadata: { name: 'node-1', uid: 'n-1', labels: { rack: 'r1' } },
    spec: { providerID: 'cloud:///i-1' },
  },
};

/** A rendering without a node and, in `pod`, without anything but names. */
export const BARE: TemplateData = {
  trustDomain: 'example.org',
  clusterName: '',
  clusterDomain: '',
  pod: { metadata: {}, spec: {} },
};
