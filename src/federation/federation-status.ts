// What the status of a ClusterFederatedTrustDomain says: whether a bundle is served, how its refreshing
// goes, and when; never a word of what a peer answered.

import { type Condition, formatTime, setCondition } from '../crds/conditions.ts';
import type { Federation } from './federation.ts';

export type FederationStatus = {
  readonly conditions: readonly Condition[];
  readonly observedGeneration: number;
  /** RFC 3339. */
  readonly lastRefresh?: string;
  readonly nextRefresh?: string;
  readonly sequence?: number;
  readonly x509Authorities?: number;
  readonly jwtAuthorities?: number;
};

export const FEDERATION_CONDITIONS: readonly string[] = ['Ready', 'Refreshed'];

export type StatusContext = {
  readonly previous: readonly Condition[];
  readonly observedGeneration: number;
  readonly now: number;
};

/** Undefined for an object that is not ours to report on, or of which nothing is known yet. */
export function federationStatus(
  federation: Federation,
  name: string,
  context: StatusContext,
): FederationStatus | undefined {
  const declared = federation.declared.get(name);
  if (declared === undefined || declared.kind === 'foreign') return undefined;
  const { observedGeneration } = context;
  if (declared.kind === 'refused') {
    const { reason, message } = declared;
    const conditions = conditionsOf(context, [['Ready', false, reason, message]]);
    return { conditions: conditions.filter(({ type }) => type === 'Ready'), observedGeneration };
  }
  const refresh = federation.refreshOf(name);
  const stored = federation.intake.storedOf(declared.relationship.trustDomain);
  const { lastAt, nextAt = 0, failure, remark } = refresh ?? {};
  // What was said before a restart holds until there is something new to say.
  if (lastAt === undefined && failure === undefined) return undefined;
  const { bundle, isFetched = false } = stored ?? {};
  const hasKeys =
    bundle !== undefined && bundle.x509Authorities.length + bundle.jwtAuthorities.size > 0;
  const from = isFetched ? 'as it was fetched' : 'as spec.trustDomainBundle has it';
  const ready = !bundle
    ? (['Ready', false, 'NoBundle', 'no bundle was fetched yet'] as const)
    : !hasKeys
      ? (['Ready', false, 'NoKeys', 'its bundle has no key: nothing of it is trusted'] as const)
      : (['Ready', true, 'Served', `its bundle is served, ${from}`] as const);
  const refreshed =
    failure !== undefined
      ? (['Refreshed', false, failure.reason, failure.words] as const)
      : ([
          'Refreshed',
          lastAt !== undefined,
          remark?.reason ?? (lastAt === undefined ? 'Pending' : 'Fetched'),
          remark?.words ?? '',
        ] as const);
  return {
    conditions: conditionsOf(context, [ready, refreshed]),
    observedGeneration,
    ...(lastAt === undefined ? {} : { lastRefresh: formatTime(lastAt) }),
    ...(nextAt === 0 ? {} : { nextRefresh: formatTime(nextAt) }),
    ...(bundle?.sequence === undefined ? {} : { sequence: bundle.sequence }),
    ...(bundle === undefined
      ? {}
      : {
          x509Authorities: bundle.x509Authorities.length,
          jwtAuthorities: bundle.jwtAuthorities.size,
        }),
  };
}

type Said = readonly [type: string, holds: boolean, reason: string, message: string];

function conditionsOf(
  { previous, observedGeneration, now }: StatusContext,
  said: readonly Said[],
): readonly Condition[] {
  return said.reduce<readonly Condition[]>((conditions, [type, holds, reason, message]) => {
    const status = holds ? 'True' : 'False';
    const next = { type, status, reason, message, observedGeneration } as const;
    return setCondition(conditions, next, now);
  }, previous);
}
