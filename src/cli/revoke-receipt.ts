// What a revocation takes away, as far as the API server knows: the identities that end, and how long
// what is already out may go on working. It counts with the policies as they are now.

import type { IdentityView } from '../identity/identity-view.ts';
import type { PodIdentity } from '../identity/pod-identity.ts';
import { jwtExpiry, x509TtlSeconds } from '../issuer/policy/signing-policy.ts';
import type { JsonObject } from '../template/json-value.ts';
import { nameOf } from './cluster/reader.ts';
import { formatTable } from './table.ts';

export type RevokedIdentity = {
  readonly namespace: string;
  readonly pod: string;
  readonly node: string;
  readonly spiffeId: string;
  readonly policy: string;
  /** When one ends that is signed in the last moment. */
  readonly x509EndsAtLatest: string;
  readonly jwtEndsAtLatest: string;
};

export type Receipt = {
  readonly restriction: string;
  readonly action: 'Created' | 'Updated' | 'Unchanged' | 'DryRun';
  /** Undefined: until it is undone. */
  readonly until: string | undefined;
  readonly identities: readonly RevokedIdentity[];
  /** Whether everything could be read that these depend on. */
  readonly isComplete: boolean;
  /** The last of all ends; '' when nothing is taken away. */
  readonly x509EndsAtLatest: string;
  readonly jwtEndsAtLatest: string;
  /** Whether the controller reports it to be in force; undefined when it said nothing in time. */
  readonly inEffect: boolean | undefined;
  readonly notes: readonly string[];
};

/** Issuers go on signing until they see the restriction. */
const SEEN_WITHIN_MS = 2000;

/** What pods have without the restriction and have not with it. */
export function revokedIdentities(
  view: IdentityView,
  restriction: JsonObject,
  now: number,
): readonly RevokedIdentity[] {
  const change = { kind: 'IdentityRestriction', namespace: '', name: nameOf(restriction) } as const;
  view.apply({ ...change, object: undefined });
  const before = identitiesByPod(view, now);
  const lastSigned = now + SEEN_WITHIN_MS;
  view.apply({ ...change, object: restriction });
  return [...before].flatMap(([uid, identities]) => {
    const decision = view.decision(uid, now);
    const kept = new Set(decision?.identities.map(({ policyUid, policy }) => policyUid + policy));
    return identities
      .filter(({ policyUid, policy }) => !kept.has(policyUid + policy))
      .map((identity) => ({ ...identity, entryId: identity.policyUid }))
      .map((identity) => ({
        namespace: decision?.pod.namespace ?? '',
        pod: decision?.pod.name ?? '',
        node: decision?.pod.nodeName ?? '',
        spiffeId: identity.spiffeId,
        policy: identity.policy,
        x509EndsAtLatest: time(lastSigned + x509TtlSeconds(identity) * 1000),
        jwtEndsAtLatest: time(jwtExpiry(identity, lastSigned, Number.POSITIVE_INFINITY)),
      }));
  });
}

function identitiesByPod(
  view: IdentityView,
  now: number,
): ReadonlyMap<string, readonly PodIdentity[]> {
  return new Map(
    [...view.index.pods.all].map(({ object }) => [
      object.uid,
      view.decision(object.uid, now)?.identities ?? [],
    ]),
  );
}

export function lastOf(times: readonly string[]): string {
  return times.toSorted().at(-1) ?? '';
}

export function receiptText(receipt: Receipt): string {
  const { restriction, action, until, identities, inEffect, isComplete } = receipt;
  const done = {
    Created: 'created',
    Updated: 'updated',
    Unchanged: 'was there already',
    DryRun: 'not written: --dry-run',
  };
  const rows = identities.map(({ namespace, pod, node, spiffeId, x509EndsAtLatest }) => [
    spiffeId,
    `${namespace}/${pod}`,
    node,
    x509EndsAtLatest,
  ]);
  return [
    `IdentityRestriction ${restriction}: ${done[action]}; in force until ${until ?? 'it is undone'}`,
    ...(action === 'DryRun' ? [] : [inEffectText(inEffect)]),
    '',
    ...(isComplete
      ? []
      : ['Not everything could be read: it may reach more than is told here.', '']),
    ...(rows.length === 0
      ? isComplete
        ? ['no pod has such an identity now; pods that come later get none']
        : []
      : [
          formatTable(['SPIFFE ID', 'POD', 'NODE', 'X.509 USABLE UNTIL AT LATEST'], rows),
          '',
          'From now on nothing is signed for these, and their streams end.',
          `X.509-SVIDs that are out work until ${receipt.x509EndsAtLatest} at the latest, where the verifier reads no CRL;`,
          `JWT-SVIDs until ${receipt.jwtEndsAtLatest}. Both by the policies as they are now.`,
        ]),
    ...receipt.notes.map((note) => `note: ${note}`),
  ].join('\n');
}

function inEffectText(inEffect: boolean | undefined): string {
  if (inEffect === undefined)
    return 'the controller has not confirmed it yet; the issuers watch it by themselves';
  return inEffect
    ? 'the controller reports it in effect'
    : 'the controller reports that it is NOT in effect: see its status';
}

/** What a revocation does and does not do, for --explain. */
export const WHAT_IT_DOES = `signet revoke writes an IdentityRestriction, which only ever takes away.

  at once          issuers sign nothing more for the identity, about a second after the API server
                   stored the object; open Workload API streams end with PermissionDenied
  until its end    an X.509-SVID that is out still works at verifiers that read no CRL; so does a
                   JWT-SVID, which nothing can call back. The receipt says the latest end, by the
                   policies as they are now: a longer ttl that a policy had within the last day counts
                   for what was signed then, 24h (X.509) and 1h (JWT) being the most there is
  not              open TLS connections of the workload; a node plugin that is cut off, or hostile,
                   serves what it holds until that ends
  undone           by --undo alone, or at --until: deleting a pod or a label changes nothing

A revoked pod has a successor under the same identity when something controls it. Revoke its
ServiceAccount (sa/NAME) to stop those too.`;

function time(ms: number): string {
  // Rather a second late than early.
  return `${new Date(Math.ceil(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}
