// The life of authorities as a pure function: state and time in, the one next step out. Nothing
// here reads a clock, makes a key or writes. Executing a step and asking again reaches a state with
// nothing to do; a crash, a second replica or a clock that was set can come between any two steps.

import {
  type Authority,
  type AuthorityKind,
  type AuthorityPhase,
  type AuthorityState,
  activeOf,
  isInBundle,
} from '../../authorities/authority-state.ts';

/** How one kind lives. Seconds. */
export type AuthorityLife = {
  /** From making it to its notAfter. */
  readonly lifetime: number;
  /** How long it is active before its successor is made. */
  readonly prepareAfter: number;
  /** How long it is published before it may sign: every consumer has it by then. */
  readonly prepublish: number;
  /** How long it stays after it stopped signing: the last thing it signed has expired by then. */
  readonly retain: number;
};

export type AuthoritySettings = { readonly [kind in AuthorityKind]: AuthorityLife };

const HOUR = 3600;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** The longest an X.509-SVID and a JWT-SVID may live, whatever a policy asks for. */
export const MAX_X509_SVID_TTL = DAY;
export const MAX_JWT_SVID_TTL = HOUR;

export const DEFAULT_SETTINGS: AuthoritySettings = {
  root: { lifetime: 10 * YEAR, prepareAfter: 9 * YEAR, prepublish: 7 * DAY, retain: 2 * DAY + DAY },
  intermediate: {
    lifetime: 2 * DAY,
    prepareAfter: DAY,
    prepublish: 0,
    retain: MAX_X509_SVID_TTL + HOUR,
  },
  jwt: {
    lifetime: 30 * DAY,
    prepareAfter: 7 * DAY - HOUR,
    prepublish: HOUR,
    retain: MAX_JWT_SVID_TTL + DAY,
  },
  serving: { lifetime: 10 * YEAR, prepareAfter: 9 * YEAR, prepublish: 7 * DAY, retain: 90 * DAY },
};

export type AuthorityStep =
  /** Make a key and certificate; enters the state as prepared, its key is stored after that. */
  | { readonly kind: 'create'; readonly authority: AuthorityKind; readonly parent?: string }
  | { readonly kind: 'publish'; readonly id: string }
  /** Becomes the one that signs; the one before retires in the same write. */
  | { readonly kind: 'activate'; readonly id: string }
  | { readonly kind: 'remove'; readonly id: string };

/** Tolerated between clocks of replicas, and how long a key may take from state to store. */
const SKEW = 60;
export const KEY_STORE_GRACE = 600;
const KINDS: readonly AuthorityKind[] = ['root', 'serving', 'intermediate', 'jwt'];

export type PlanContext = {
  /** Seconds since the epoch. */
  readonly now: number;
  readonly settings: AuthoritySettings;
  /**
   * Nobody else executes steps: one that was announced and has no key has lost its maker. Otherwise
   * its maker is given ten minutes.
   */
  readonly isAlone?: boolean;
  /** The key of one more root would have no place: something else is there. */
  readonly isStandbyBlocked?: boolean;
};

/**
 * The next step, or undefined when nothing is due. `keys` are the ids whose private key is stored.
 */
export function nextStep(
  state: AuthorityState,
  keys: ReadonlySet<string>,
  context: PlanContext,
): AuthorityStep | undefined {
  for (const kind of KINDS) {
    const step = nextOfKind(kind, state, { ...context, keys });
    if (step !== undefined) return step;
  }
  return undefined;
}

type Context = PlanContext & { readonly keys: ReadonlySet<string> };

function nextOfKind(
  kind: AuthorityKind,
  state: AuthorityState,
  context: Context,
): AuthorityStep | undefined {
  const { now, keys } = context;
  const life = context.settings[kind];
  const all = state.authorities.filter((authority) => authority.kind === kind);
  const prepared = all.filter((authority) => authority.phase === 'prepared');
  for (const { id, preparedAt } of prepared) {
    if (keys.has(id)) return { kind: 'publish', id };
    // Its maker died before the key was stored. It was never published, so nobody misses it.
    const isGivenUp = context.isAlone === true || Math.abs(now - preparedAt) > KEY_STORE_GRACE;
    if (isGivenUp) return { kind: 'remove', id };
  }
  const active = activeOf(state, kind);
  const published = all.filter((authority) => authority.phase === 'published');
  const successor = published.find((authority) => mayActivate(authority, active, { life, now }));
  if (successor !== undefined && (kind !== 'root' || active === undefined)) {
    return { kind: 'activate', id: successor.id };
  }
  if (prepared.length === 0 && needsNew(kind, state, context)) {
    return create(kind, state);
  }
  const over = all.find(
    (authority) => authority.phase === 'retired' && isOver(authority, life, now),
  );
  return over === undefined ? undefined : { kind: 'remove', id: over.id };
}

// Waiting protects consumers that still have the old bundle. With nothing active, or an active one
// that cannot sign now, waiting would protect nobody.
function mayActivate(
  candidate: Authority,
  active: Authority | undefined,
  { life, now }: { life: AuthorityLife; now: number },
): boolean {
  if (!isUsable(candidate, now)) return false;
  if (active === undefined || !isUsable(active, now)) return true;
  return now >= (candidate.publishedAt ?? now) + life.prepublish;
}

function needsNew(kind: AuthorityKind, state: AuthorityState, context: Context): boolean {
  const { now } = context;
  const life = context.settings[kind];
  const live = state.authorities.filter(
    (authority) => authority.kind === kind && authority.phase !== 'retired',
  );
  const waiting = live.some(
    (authority) => authority.phase === 'published' && isUsable(authority, now),
  );
  // A second root stands by from the first day; only an operator makes it the active one.
  if (kind === 'root') return !waiting && context.isStandbyBlocked !== true;
  if (waiting) return false;
  const active = activeOf(state, kind);
  if (active === undefined || !isUsable(active, now)) return true;
  if (kind === 'intermediate' && active.parent !== activeOf(state, 'root')?.id) return true;
  return now >= (active.activatedAt ?? now) + life.prepareAfter;
}

function create(kind: AuthorityKind, state: AuthorityState): AuthorityStep | undefined {
  if (kind !== 'intermediate') return { kind: 'create', authority: kind };
  const root = activeOf(state, 'root');
  return root && { kind: 'create', authority: kind, parent: root.id };
}

function isUsable(authority: Authority, now: number): boolean {
  return authority.notBefore <= now + SKEW && now < authority.notAfter;
}

function isOver(authority: Authority, life: AuthorityLife, now: number): boolean {
  return now > (authority.retiredAt ?? now) + life.retain;
}

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
      return withAuthorities(
        state,
        state.authorities.filter((authority) => authority.id !== step.id),
        now,
      );
  }
}

function activate(state: AuthorityState, id: string, now: number): readonly Authority[] {
  const kind = state.authorities.find((authority) => authority.id === id)?.kind;
  const before = kind === undefined ? undefined : activeOf(state, kind);
  const moved = move(state, id, { phase: 'active', at: now });
  if (before === undefined) return moved;
  return move({ ...state, authorities: moved }, before.id, { phase: 'retired', at: now });
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

// SPIFFE bundle §4.1.1: the sequence changes with the content and only rises. The epoch as a floor
// keeps it rising even where an older state was restored.
function withAuthorities(
  state: AuthorityState,
  authorities: readonly Authority[],
  now: number,
): AuthorityState {
  const shown = (all: readonly Authority[]) =>
    all
      .filter(isInBundle)
      .map(({ id }) => id)
      .toSorted()
      .join();
  const changed = shown(authorities) !== shown(state.authorities);
  const sequence = changed ? Math.max(state.sequence + 1, now) : state.sequence;
  return { ...state, authorities, sequence };
}
