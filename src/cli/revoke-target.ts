// Whom a revocation is about, and the object that says so. The name follows from the target, so that
// saying it twice writes one object and --undo finds it.

import { hash } from 'node:crypto';
import { invalid } from '../base/errors.ts';
import { canonicalText } from '../kube/canonical-json.ts';
import { parseSpiffeId } from '../spiffe/spiffe-id.ts';
import type { JsonObject } from '../template/json-value.ts';
import { dnsName } from './node-settings.ts';

export type RevokeTarget = {
  /** In one spelling, such as `sa/shop/web`. */
  readonly text: string;
  /** Where its pods are; undefined: anywhere. */
  readonly namespace: string | undefined;
  /** Of one pod: its name, until its UID is known. */
  readonly pod: string | undefined;
  /** Empty for a pod. */
  readonly match: JsonObject;
};

/** Which target of theirs a command wrote an object for. */
export const TARGET_ANNOTATION = 'signet.dev/revoked-target';

/** `SPIFFE-ID`, `pod/NAME`, `sa/NAME` or `namespace/NAME`; throws `invalid-argument`. */
export function parseTarget(word: string, namespace: string): RevokeTarget {
  if (word.startsWith('spiffe:')) {
    const spiffeID = parseSpiffeId(word);
    return { text: spiffeID, namespace: undefined, pod: undefined, match: { spiffeID } };
  }
  const [, kind = '', name = ''] = /^([a-z]+)\/(.+)$/.exec(word) ?? [];
  switch (kind) {
    case 'pod':
      dnsName(kind, name);
      return { text: `pod/${namespace}/${name}`, namespace, pod: name, match: {} };
    case 'sa':
    case 'serviceaccount': {
      const match = { namespace, serviceAccount: dnsName(kind, name) };
      return { text: `sa/${namespace}/${name}`, namespace, pod: undefined, match };
    }
    case 'ns':
    case 'namespace': {
      const match = { namespace: dnsName(kind, name) };
      return { text: `namespace/${name}`, namespace: name, pod: undefined, match };
    }
    default:
      throw invalid(`${word}: must be a SPIFFE ID, pod/NAME, sa/NAME or namespace/NAME`);
  }
}

export type Revocation = {
  readonly target: RevokeTarget;
  readonly match: JsonObject;
  /** RFC 3339; undefined: until it is undone. */
  readonly until: string | undefined;
  readonly cause: string | undefined;
};

export function restrictionObject({ target, match, until, cause }: Revocation): JsonObject {
  return {
    apiVersion: 'signet.dev/v1alpha1',
    kind: 'IdentityRestriction',
    metadata: {
      name: restrictionName(target, match),
      annotations: { [TARGET_ANNOTATION]: target.text },
    },
    spec: {
      match,
      suspend: true,
      ...(until === undefined ? {} : { until }),
      ...(cause === undefined ? {} : { cause }),
    },
  };
}

const MAX_READABLE = 60;

export function restrictionName({ text }: RevokeTarget, match: JsonObject): string {
  const readable = text
    .replace(/^spiffe:\/\//, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_READABLE)
    .replaceAll(/^-+|-+$/g, '');
  return `revoke-${readable}-${hash('sha256', canonicalText(match), 'hex').slice(0, 10)}`;
}
