// The steps of an authority's life, and the state after each. Pure: time and new authorities come in.

import {
  type Authority,
  type AuthorityKind,
  type AuthorityOrder,
  type AuthorityPhase,
  type AuthorityState,
  activeOf,
} from '../../authorities/authority-state.ts';
import { readCertificate } from '../../spiffe/certificate/certificate.ts';

export type AuthorityStep =
  /** Make a key and certificate; enters the state as prepared, its key is stored after that. */
  | { readonly kind: 'create'; readonly authority: AuthorityKind; readonly parent?: string }
  | { readonly kind: 'publish'; readonly id: string }
  /** Becomes the one that signs; the one before retires in the same write. */
  | { readonly kind: 'activate'; readonly id: string }
  | { readonly kind: 'remove'; readonly id: string };

/** The state after a step; `made` is the new authority of a `create`. */
export function applyStep(
  state: AuthorityState,
  step: AuthorityStep,
  { now, made }: { now: number; made?: Authority },
): AuthorityState {
  switch (step.kind) {
    case 'create':
      if (made === undefined) throw new TypeError('create without an authority');
      return withAuthorities(state, [...state.authorities, made], now);
    case 'publish':
      return withAuthorities(state, move(state, step.id, { phase: 'published', at: now }), now);
    case 'activate':
      return withAuthorities(state, activate(state, step.id, now), now);
    case 'remove':
      return withAuthorities(state, remove(state, step.id, now), now);
  }
}

function activate(state: AuthorityState, id: string, now: number): readonly Authority[] {
  const kind = state.authorities.find((authority) => authority.id === id)?.kind;
  const before = kind === undefined ? undefined : activeOf(state, kind);
  const moved = move(state, id, { phase: 'active', at: now });
  if (before === undefined) return moved;
  return move({ ...state, authorities: moved }, before.id, { phase: 'retired', at: now });
}

// Whoever reads revocation lists learns from its root that it was revoked; one that ends by itself needs
// no mention.
function remove(state: AuthorityState, id: string, now: number): readonly Authority[] {
  const removed = state.authorities.find((authority) => authority.id === id);
  const { kind, order, parent, certificate, notAfter = 0 } = removed ?? {};
  const rest = state.authorities.filter((authority) => authority.id !== id);
  const isRevoked = kind === 'intermediate' && order === 'remove' && notAfter > now;
  if (!isRevoked || certificate === undefined) return rest;
  const { serialNumber } = readCertificate(Buffer.from(certificate, 'base64'));
  const revoked = { serial: Buffer.from(serialNumber).toString('hex'), revokedAt: now, notAfter };
  return rest.map((authority) =>
    authority.id === parent
      ? { ...authority, revoked: [...(authority.revoked ?? []), revoked] }
      : authority,
  );
}

const DATE_OF = {
  prepared: 'preparedAt',
  published: 'publishedAt',
  active: 'activatedAt',
  retired: 'retiredAt',
} as const;

function move(
  state: AuthorityState,
  id: string,
  to: { phase: AuthorityPhase; at: number },
): readonly Authority[] {
  return state.authorities.map((authority) =>
    authority.id === id ? { ...authority, phase: to.phase, [DATE_OF[to.phase]]: to.at } : authority,
  );
}

/**
 * What an operator wants of one authority; nothing changes by it but what the plan makes of it. Nothing
 * takes back that one is to go.
 */
export function withOrder(
  state: AuthorityState,
  id: string,
  order: AuthorityOrder,
): AuthorityState {
  const authorities = state.authorities.map((authority) =>
    authority.id === id && authority.order !== 'remove' ? { ...authority, order } : authority,
  );
  return { ...state, authorities };
}

// SPIFFE bundle §4.1.1: the sequence changes with the content and only rises; here with everything that
// signs or is trusted, so that a state from before a revocation is known for older. The epoch as a
// floor keeps it rising even where an older state was restored.
function withAuthorities(
  state: AuthorityState,
  authorities: readonly Authority[],
  now: number,
): AuthorityState {
  const shown = (all: readonly Authority[]) =>
    all
      .filter(({ phase }) => phase !== 'prepared')
      .map(({ id, phase }) => `${id} ${phase}`)
      .toSorted()
      .join();
  const changed = shown(authorities) !== shown(state.authorities);
  const sequence = changed ? Math.max(state.sequence + 1, now) : state.sequence;
  return { ...state, authorities, sequence };
}
