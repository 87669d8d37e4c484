// The volume attributes a pod author may set on a volume of our driver. The node plugin refuses any
// other, which leaves a pod waiting for ever: so admission refuses it first, where its author sees.

/** Envoy's secret discovery on the volume's socket. */
export const SECRET_DISCOVERY = 'signet.dev/sds';

/** Attribute name → the values it may have. */
export const VOLUME_ATTRIBUTES: ReadonlyMap<string, readonly string[]> = new Map([
  ['signet.dev/require-identity', ['true', 'false']],
  [SECRET_DISCOVERY, ['true', 'false']],
]);
