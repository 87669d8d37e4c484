// Objects that an issuer derives identities from, the least there is of them.

export function podObject(uid: string, nodeName: string) {
  return {
    metadata: { name: `pod-${uid}`, namespace: 'shop', uid, annotations: { team: 'blue' } },
    spec: {
      nodeName,
      serviceAccountName: 'default',
      volumes: [{ name: 'spiffe-workload-api', csi: { driver: 'csi.spiffe.io', readOnly: true } }],
    },
    status: { phase: 'Pending' },
  };
}

export function policyObject(path: string) {
  return {
    metadata: { name: 'agents', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { spiffeIDTemplate: `spiffe://{{ .TrustDomain }}/${path}` },
  };
}
