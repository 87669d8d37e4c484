// Annotations that one component writes on a pod and another one reads.

/** By the webhook: variables of the pod that keep clients from using its identity. */
export const CONFLICTS_ANNOTATION = 'signet.dev/conflicts';
