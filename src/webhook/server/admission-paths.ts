// Where each decision is asked for. The configuration objects name the same paths.

export const MUTATE_PODS_PATH = '/mutate-pods';
export const VALIDATE_PODS_PATH = '/validate-pods';
export const VALIDATE_KINDS_PATH = '/validate-signet-dev';
/** These two are SPIRE Controller Manager's, for configurations that exist already (R11). */
export const VALIDATE_CLUSTER_SPIFFE_ID_PATH = '/validate-spire-spiffe-io-v1alpha1-clusterspiffeid';
export const VALIDATE_FEDERATED_TRUST_DOMAIN_PATH =
  '/validate-spire-spiffe-io-v1alpha1-clusterfederatedtrustdomain';
