// The life of authorities as a pure function: state and time in, the one next step out. Nothing
// here reads a clock, makes a key or writes. Executing a step and asking again reaches a state with
// nothing to do; a crash, a second replica or a clock that was set can come between any two steps.

import {
  type Authority,
  type AuthorityKind,
  type AuthorityState,
  activeOf,
} from '../../authorities/authority-state.ts';
import { JWT_KEYS_MAX_AGE_SECONDS } from '../../spiffe/jwt-svid/oidc-documents.ts';
import type { AuthorityStep } from './authority-steps.ts';

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
    prepareAfter: DAY - HOUR,
    // Its revocation list is out by then, for servers that refuse what none of their lists covers.
    prepublish: HOUR,
    retain: MAX_X509_SVID_TTL + HOUR,
  },
  jwt: {
    lifetime: 30 * DAY,
    prepareAfter: 7 * DAY - HOUR,
    // Whoever keeps the keys for as long as we allow has a new one well before it signs.
    prepublish: Math.max(HOUR, 2 * JWT_KEYS_MAX_AGE_SECONDS),
    retain: MAX_JWT_SVID_TTL + DAY + JWT_KEYS_MAX_AGE_SECONDS,
  },
  serving: { lifetime: 10 * YEAR, prepareAfter: 9 * YEAR, prepublish: 7 * DAY, retain: 90 * DAY },
};

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
  let last: AuthorityStep | undefined;
  for (const kind of KINDS) {
    const step = nextOfKind(kind, state, { ...context, keys });
    if (step !== undefined && !isStandbyRoot(step, state)) return step;
    last ??= step;
  }
  return last;
}

/** Making a root that stands by comes after all else: nobody signs the less when it fails. */
export function isStandbyRoot(step: AuthorityStep, state: AuthorityState): boolean {
  return (
    step.kind === 'create' && step.authority === 'root' && activeOf(state, 'root') !== undefined
  );
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
  for (const authority of prepared) {
    const { id, preparedAt } = authority;
    if (isUnwanted(authority, state)) return { kind: 'remove', id };
    if (keys.has(id)) return { kind: 'publish', id };
    // Its maker died before the key was stored. It was never published, so nobody misses it.
    const isGivenUp = context.isAlone === true || Math.abs(now - preparedAt) > KEY_STORE_GRACE;
    if (isGivenUp) return { kind: 'remove', id };
  }
  const active = activeOf(state, kind);
  const published = all.filter((authority) => authority.phase === 'published');
  const unwanted = published.find((authority) => isUnwanted(authority, state));
  if (unwanted !== undefined) return { kind: 'remove', id: unwanted.id };
  const successor = published.find((authority) => mayActivate(authority, active, { life, now }));
  if (successor !== undefined && (kind !== 'root' || active === undefined)) {
    return { kind: 'activate', id: successor.id };
  }
  if (prepared.length === 0 && needsNew(kind, state, context)) {
    return create(kind, state);
  }
  const over = all.find(
    (authority) =>
      authority.phase === 'retired' &&
      (isOver(authority, life, now) || isOrderedAway(authority, state)),
  );
  return over === undefined ? undefined : { kind: 'remove', id: over.id };
}

// One that never signed: an operator wants it gone, or another root is the active one by now.
function isUnwanted({ kind, order, parent }: Authority, state: AuthorityState): boolean {
  if (order === 'remove') return true;
  const root = activeOf(state, 'root');
  return kind === 'intermediate' && root !== undefined && parent !== root.id;
}

// A root stays while what it signed signs: nobody is to be without an SVID in between. An intermediate
// goes with its root, without which nothing it signed is believed.
function isOrderedAway({ id, kind, order, parent }: Authority, state: AuthorityState): boolean {
  const { authorities } = state;
  if (kind === 'intermediate' && !authorities.some((other) => other.id === parent)) return true;
  return (
    order === 'remove' &&
    !authorities.some((other) => other.parent === id && other.phase !== 'retired')
  );
}

/** Whether it is to sign no longer than it takes to have a successor. */
function isToBeReplaced({ order }: Authority): boolean {
  return order === 'replace' || order === 'remove';
}

// Waiting protects consumers that still have the old bundle. With nothing active, or an active one
// that cannot or must not sign now, waiting would protect nobody.
function mayActivate(
  candidate: Authority,
  active: Authority | undefined,
  { life, now }: { life: AuthorityLife; now: number },
): boolean {
  if (!isUsable(candidate, now)) return false;
  if (active === undefined || !isUsable(active, now) || isToBeReplaced(active)) return true;
  // Under another root: the one before may be on its way out, and its intermediate holds it.
  if (active.parent !== candidate.parent) return true;
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
  if (active === undefined || !isUsable(active, now) || active.order !== undefined) return true;
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
