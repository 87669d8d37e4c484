// What a revocation takes away, as far as the API server knows: the identities that end, and how long
// what is already out may go on working. It counts with the policies as they are now.

import type { IdentityView } from '../identity/identity-view.ts';
import type { PodIdentity } from '../identity/pod-identity.ts';
import { jwtExpiry, x509TtlSeconds } from '../issuer/policy/signing-policy.ts';
import type { JsonObject } from '../template/json-value.ts';
import { nameOf } from './cluster/reader.ts';
import type { HeldElsewhere, Holder } from './revoke-elsewhere.ts';
import type { ListedCertificates } from './revoke-outcome.ts';
import { formatTable, printable } from './table.ts';

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
  /** Certificates on the revocation lists for it; left out when nothing is known of them. */
  readonly revoked?: ListedCertificates;
  /** With --explain: what no revocation here reaches. */
  readonly elsewhere?: readonly HeldElsewhere[];
  readonly notes: readonly string[];
};

/** Issuers go on signing until they see the restriction. */
const SEEN_WITHIN_MS = 2000;

/** What pods have without the restriction and have not with it. */
export function revokedIdentities(
  view: IdentityView,
  restriction: JsonObject,
  now: number,
): { readonly identities: readonly RevokedIdentity[]; readonly holders: readonly Holder[] } {
  const change = { kind: 'IdentityRestriction', namespace: '', name: nameOf(restriction) } as const;
  view.apply({ ...change, object: undefined });
  const before = identitiesByPod(view, now);
  const lastSigned = now + SEEN_WITHIN_MS;
  view.apply({ ...change, object: restriction });
  const holders = [...before].flatMap(([uid, identities]): readonly Holder[] => {
    const decision = view.decision(uid, now);
    const pod = decision?.pod;
    if (pod === undefined) return [];
    const kept = new Set(decision?.identities.map(({ policyUid, policy }) => policyUid + policy));
    return identities
      .filter(({ policyUid, policy }) => !kept.has(policyUid + policy))
      .map((identity) => {
        const entry = { ...identity, entryId: identity.policyUid };
        const jwtEndsAt = jwtExpiry(entry, lastSigned, Number.POSITIVE_INFINITY);
        return { pod, identity, jwtEndsAt };
      });
  });
  const identities = holders.map(({ pod, identity, jwtEndsAt }) => ({
    namespace: pod.namespace,
    pod: pod.name,
    node: pod.nodeName,
    spiffeId: identity.spiffeId,
    policy: identity.policy,
    x509EndsAtLatest: time(
      lastSigned + x509TtlSeconds({ ...identity, entryId: identity.policyUid }) * 1000,
    ),
    jwtEndsAtLatest: time(jwtEndsAt),
  }));
  return { identities, holders };
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
    ...listedText(receipt.revoked),
    ...elsewhereText(receipt.elsewhere),
    ...receipt.notes.map((note) => `note: ${note}`),
  ].join('\n');
}

/** Of more, the text says how many there are; `-o json` has them all. */
const MAX_SERIALS = 50;

function listedText(revoked: ListedCertificates | undefined): readonly string[] {
  if (revoked === undefined) return [];
  const { count, serials, lastNotAfter } = revoked;
  if (count === 0) return ['', 'No certificate is on the revocation lists for it yet.'];
  const shown = serials.slice(0, MAX_SERIALS);
  const more = count > shown.length ? [`  and ${count - shown.length} more`] : [];
  return [
    '',
    `On the revocation lists, the last of them until it ends ${lastNotAfter}: ${count}`,
    ...shown.map((serial) => `  ${serial}`),
    ...more,
  ];
}

function elsewhereText(elsewhere: readonly HeldElsewhere[] | undefined): readonly string[] {
  if (elsewhere === undefined) return [];
  if (elsewhere.length === 0) return ['', 'Nothing is known that it holds elsewhere.'];
  return [
    '',
    'What it may hold elsewhere, which nothing here ends:',
    ...elsewhere.flatMap(({ pod, what, until, end }) => [
      printable(`  ${pod}: ${what}`),
      printable(`    until ${until}`),
      printable(`    end it: ${end}`),
    ]),
  ];
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
  about a second   its certificates are on the revocation lists, which servers read that are told to;
                   open TLS connections end where either side uses @signet/client
  not              other open connections; what it was given elsewhere, such as cloud sessions and API
                   tokens: signet revoke TARGET --explain lists them; a node plugin that is cut off,
                   or hostile, serves what it holds until that ends
  undone           by --undo alone, or at --until: deleting a pod or a label changes nothing

A revoked pod has a successor under the same identity when something controls it. Revoke its
ServiceAccount (sa/NAME) to stop those too.`;

function time(ms: number): string {
  // Rather a second late than early.
  return `${new Date(Math.ceil(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}
