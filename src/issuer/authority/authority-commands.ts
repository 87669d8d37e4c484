// What an operator may ask of the authorities: each command is a pure function of the state. It changes
// phases only where nobody can wait; else it leaves an order, which the plan carries out like all that
// is due, whoever runs next.

import {
  type Authority,
  type AuthorityKind,
  type AuthorityState,
  activeOf,
} from '../../authorities/authority-state.ts';
import { allow, type Decision, type Refused, refuse } from '../../base/errors.ts';
import type { AuthoritySettings } from './authority-plan.ts';
import { applyStep, withOrder } from './authority-steps.ts';

export type AuthorityCommand =
  | { readonly verb: 'prepare'; readonly kind: AuthorityKind }
  /** `isUrgent`: without waiting until everybody has it. */
  | { readonly verb: 'activate'; readonly id: string; readonly isUrgent: boolean }
  | { readonly verb: 'taint' | 'revoke'; readonly id: string }
  /** `seen`: the highest sequence that anybody reports. */
  | { readonly verb: 'accept-restore'; readonly seen: number };

export type CommandContext = {
  /** Seconds since the epoch. */
  readonly now: number;
  readonly settings: AuthoritySettings;
};

export type CommandResult = {
  /** The same object when nothing changes. */
  readonly state: AuthorityState;
  /** A standby root that signs from now on: its key must be where the role reads it, first. */
  readonly signsNext?: Authority;
  /** For the audit log. */
  readonly noted: readonly { readonly id: string; readonly detail: string }[];
  /** For the operator. */
  readonly says: readonly string[];
};

/** As much of an id as somebody has to type. */
const MIN_ID_LENGTH = 8;

/** Sequences follow the clock; what somebody reports must not push them out of reach. */
const MAX_AHEAD = 24 * 3600;

export function decideCommand(
  state: AuthorityState,
  command: AuthorityCommand,
  context: CommandContext,
): Decision<CommandResult> {
  switch (command.verb) {
    case 'prepare':
      return prepare(state, command.kind);
    case 'activate': {
      const found = find(state, command.id);
      return found.allowed ? activate(state, found.value, { ...context, ...command }) : found;
    }
    case 'taint': {
      const found = find(state, command.id);
      return found.allowed ? taint(state, found.value, context) : found;
    }
    case 'revoke': {
      const found = find(state, command.id);
      return found.allowed ? revoke(state, found.value, context) : found;
    }
    case 'accept-restore':
      return acceptRestore(state, command.seen, context);
  }
}

function find({ authorities }: AuthorityState, id: string): Decision<Authority> {
  const found = authorities.filter((one) => one.id.startsWith(id));
  const [first] = found;
  if (id.length < MIN_ID_LENGTH) return refuse('UnknownAuthority', `"${id}" is too short`);
  if (first === undefined) return refuse('UnknownAuthority', `there is no authority ${id}`);
  return found.length === 1 ? allow(first) : refuse('UnknownAuthority', `"${id}" is ambiguous`);
}

function prepare(state: AuthorityState, kind: AuthorityKind): Decision<CommandResult> {
  const active = activeOf(state, kind);
  const next = state.authorities.find((one) => one.kind === kind && isSuccessor(one));
  if (next !== undefined) {
    return refuse('AlreadyPrepared', `${kind} ${next.id} is ready to succeed already`);
  }
  if (active === undefined) return noActive(kind);
  const says = [`A successor of ${kind} ${active.id} is made now.`];
  // The plan makes it anyway: a root stands by at all times.
  if (kind === 'root') return allow({ state, noted: [], says });
  const noted = [{ id: active.id, detail: `prepare ${kind}` }];
  return allow({ state: withOrder(state, active.id, active.order ?? 'succeed'), noted, says });
}

function activate(
  state: AuthorityState,
  wanted: Authority,
  context: CommandContext & { readonly isUrgent: boolean },
): Decision<CommandResult> {
  const { id, kind, phase, publishedAt } = wanted;
  const { now, settings, isUrgent } = context;
  if (phase === 'active') return allow({ state, noted: [], says: [`${kind} ${id} is active.`] });
  if (!isSuccessor(wanted) || phase !== 'published') return wrongPhase(wanted, 'published');
  const root = activeOf(state, 'root');
  if (kind === 'intermediate' && wanted.parent !== root?.id) {
    return refuse('OtherRoot', `intermediate ${id} is not of the active root`);
  }
  const from = (publishedAt ?? now) + settings[kind].prepublish;
  const active = activeOf(state, kind);
  if (now < from && active !== undefined && !isUrgent) {
    const when = new Date(from * 1000).toISOString();
    return refuse(
      'TooEarly',
      `not everybody has ${kind} ${id} before ${when}; --now does not wait`,
    );
  }
  const noted = [{ id, detail: `activate ${kind}` }];
  const says = [`${kind} ${id} signs from now on; what the one before signed stays valid.`];
  const next = applyStep(state, { kind: 'activate', id }, { now });
  return allow({ state: next, noted, says, ...(kind === 'root' ? { signsNext: wanted } : {}) });
}

function taint(
  state: AuthorityState,
  tainted: Authority,
  context: CommandContext,
): Decision<CommandResult> {
  const { id, kind, phase } = tainted;
  if (phase !== 'active') return wrongPhase(tainted, 'active');
  if (kind === 'root') return replaceRoot(state, tainted, context);
  const noted = [{ id, detail: `taint ${kind}` }];
  const says = [`${kind} ${id} is replaced now; what it signed stays valid until it expires.`];
  return allow({ state: withOrder(state, id, 'replace'), noted, says });
}

function revoke(
  state: AuthorityState,
  revoked: Authority,
  context: CommandContext,
): Decision<CommandResult> {
  const { id, kind, phase } = revoked;
  const noted = [{ id, detail: `revoke ${kind}` }];
  if (kind === 'root' && phase === 'active') {
    const replaced = replaceRoot(state, revoked, context);
    if (!replaced.allowed) return replaced;
    const says = [
      ...replaced.value.says,
      `Root ${id} leaves the bundle as soon as an intermediate of the new root signs.`,
      'Issuers notice within ten seconds; nodes then have every X.509-SVID signed again.',
    ];
    const next = withOrder(replaced.value.state, id, 'remove');
    return allow({ ...replaced.value, state: next, noted, says });
  }
  // Those of one kind have their keys in one Secret: whoever has read one has read all.
  const ids = kind === 'root' || phase !== 'active' ? [id] : idsOf(state, kind);
  const next = ids.reduce((before, each) => withOrder(before, each, 'remove'), state);
  const says = [
    CONSEQUENCE[kind](id),
    ...(ids.length > 1 ? ['Others of its kind go with it.'] : []),
  ];
  return allow({ state: next, noted, says });
}

const CONSEQUENCE: Readonly<Record<AuthorityKind, (id: string) => string>> = {
  root: (id) => `Root ${id} leaves the bundle now; another one is made to stand by.`,
  intermediate: (id) =>
    `Intermediate ${id} signs nothing more. Verifiers go by its root: what it signed stays valid ` +
    'until it expires, unless the root is revoked.',
  jwt: (id) => `JWT authority ${id} leaves the bundle now: its tokens end as verifiers fetch it.`,
  serving: (id) => `Serving authority ${id} is replaced and no longer shown to node plugins.`,
};

// The one that stands by has been in every bundle for long: that is what it is for.
function replaceRoot(
  state: AuthorityState,
  active: Authority,
  { now }: CommandContext,
): Decision<CommandResult> {
  const next = state.authorities.find(
    (one) => one.kind === 'root' && one.phase === 'published' && isSuccessor(one),
  );
  if (next === undefined) {
    return refuse('NoStandby', 'no root stands by: run signet authority rotate first');
  }
  return allow({
    state: applyStep(state, { kind: 'activate', id: next.id }, { now }),
    signsNext: next,
    noted: [{ id: active.id, detail: 'taint root' }],
    says: [`Root ${next.id} signs from now on, instead of ${active.id}.`],
  });
}

function acceptRestore(
  state: AuthorityState,
  seen: number,
  { now }: CommandContext,
): Decision<CommandResult> {
  if (activeOf(state, 'root') === undefined) return noActive('root');
  if (seen > now + MAX_AHEAD) return refuse('Implausible', `nobody can have seen sequence ${seen}`);
  const kinds = ['intermediate', 'jwt'] as const;
  const active = kinds.map((kind) => activeOf(state, kind));
  const sequence = Math.max(state.sequence + 1, now, seen + 1);
  const next = active.reduce(
    (before, one) => (one === undefined ? before : withOrder(before, one.id, 'replace')),
    kinds
      .flatMap((kind) => state.authorities.filter((one) => one.kind === kind && isSuccessor(one)))
      // Their keys are in the backup too.
      .reduce((before, { id }) => withOrder(before, id, 'remove'), { ...state, sequence }),
  );
  const says = [
    `The bundle's sequence is ${sequence} now; new intermediate and JWT authorities are made.`,
    'What was revoked after the backup is there again: look with signet authority show.',
  ];
  return allow({ state: next, noted: [{ id: '', detail: 'accept restore' }], says });
}

function idsOf(state: AuthorityState, kind: AuthorityKind): readonly string[] {
  return state.authorities.filter((one) => one.kind === kind).map(({ id }) => id);
}

function isSuccessor({ phase, order }: Authority): boolean {
  return (phase === 'prepared' || phase === 'published') && order !== 'remove';
}

function noActive(kind: AuthorityKind): Refused {
  return refuse('NothingActive', `no ${kind} is active: run signet authority rotate`);
}

function wrongPhase({ id, kind, phase }: Authority, needed: string): Refused {
  return refuse('WrongPhase', `${kind} ${id} is ${phase}, not ${needed}`);
}
