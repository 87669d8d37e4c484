// Templates that show one rule each.

export const HAND_PICKED: readonly string[] = [
  'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}',
];
