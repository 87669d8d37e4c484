// What an identity may have got elsewhere for its SVIDs, and who ends that: no revocation here reaches it.
// By the policies, the pod's annotations and volumes, and what the consumers' own documents say of the
// lives of what they hand out.

import { JWT_AUDIENCE, readFileRequest } from '../base/file-attributes.ts';
import type { PodObject } from '../identity/objects.ts';
import type { PodIdentity } from '../identity/pod-identity.ts';
import { type JsonObject, ownValue } from '../template/json-value.ts';
import { CONSUMERS } from '../webhook/consumers.ts';
import { objectAt, objectsIn, textAt } from './cluster/reader.ts';

/** What one identity may hold, or what anybody may who asks with it. */
export type HeldElsewhere = {
  readonly spiffeId: string;
  readonly pod: string;
  readonly what: string;
  /** RFC 3339, at the latest; or the rule, where there is no latest. */
  readonly until: string;
  /** The command or the place that ends it sooner. */
  readonly end: string;
};

export type Holder = {
  readonly pod: PodObject;
  readonly identity: PodIdentity;
  /** Milliseconds since the epoch: when the last JWT-SVID ends that is out. */
  readonly jwtEndsAt: number;
};

type Exchange = {
  /** Whether an audience is this consumer's. */
  readonly takes: (audience: string) => boolean;
  readonly what: string;
  /** The longest life of what it gives, in seconds; undefined where it has no limit of its own. */
  readonly longest: number | undefined;
  readonly usual: string;
  /** `last`: when the last token is over that it could have been got for. */
  readonly end: (annotations: JsonObject, last: string) => string;
};

const DAY = 86_400;
const HOUR = 3600;

/** By the name in `signet.dev/for`, where there is one. */
const EXCHANGES: Readonly<Record<string, Exchange>> = {
  claude: {
    takes: is('https://api.anthropic.com'),
    what: 'Claude API access token',
    longest: DAY,
    usual: 'token_lifetime_seconds of the rule, 1h by default',
    end: (given) =>
      `Claude Console: archive federation rule ${named(given, 'claude.signet.dev/federation-rule-id', RULE_ID)}`,
  },
  openai: {
    takes: (audience) => audience.includes('openai'),
    what: 'OpenAI API access token',
    longest: HOUR,
    usual: '1h by default',
    end: () => "OpenAI console: delete the identity provider's mapping for the SPIFFE ID",
  },
  aws: {
    takes: is('sts.amazonaws.com'),
    what: 'AWS session',
    longest: 12 * HOUR,
    usual: "the role's MaxSessionDuration, 1h by default",
    end: (given, last) =>
      `aws iam put-role-policy --role-name ${roleOf(given)} --policy-name AWSRevokeOlderSessions --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"${last}"}}}]}'`,
  },
  azure: {
    takes: is('api://AzureADTokenExchange'),
    what: 'Entra access token',
    longest: DAY,
    usual: '60 to 90 minutes',
    end: (given) =>
      `az ad sp update --id ${named(given, 'azure.signet.dev/client-id', UUID)} --set accountEnabled=false`,
  },
  gcp: {
    takes: (audience) => /^(?:https:)?\/\/iam\.googleapis\.com\//.test(audience),
    what: 'Google Cloud access token',
    longest: 12 * HOUR,
    usual: '1h by default',
    end: () => 'gcloud iam workload-identity-pools update POOL --location=global --disabled',
  },
  vault: {
    takes: (audience) => /\b(?:vault|openbao)\b/.test(audience),
    what: 'Vault or OpenBao token, and leases',
    longest: undefined,
    usual: 'token_max_ttl of the role',
    end: () => 'vault token revoke -mode=path auth/MOUNT; vault lease revoke -prefix PATH',
  },
};

/** `serials` are those on the revocation lists, in hex. */
export function heldElsewhere(
  holders: readonly Holder[],
  serials: readonly string[],
): readonly HeldElsewhere[] {
  return holders.flatMap((holder) => [
    ...fromTokens(holder),
    ...sessions(holder, serials),
    ...atOthers(holder),
  ]);
}

function fromTokens(holder: Holder): readonly HeldElsewhere[] {
  const { pod, identity, jwtEndsAt } = holder;
  const { jwtDenied, allowedAudiences } = identity.limits;
  if (jwtDenied) return [];
  const given = objectAt(pod.metadata, 'annotations');
  const audiences = new Set([...audiencesOf(pod, given), ...(allowedAudiences ?? [])]);
  const rows = new Map<string, HeldElsewhere>();
  for (const audience of audiences) {
    if (allowedAudiences?.includes(audience) === false) continue;
    const exchange = Object.values(EXCHANGES).find(({ takes }) => takes(audience));
    const what = exchange?.what ?? `whatever was given for tokens for ${audience}`;
    const { longest, usual = 'its own rules' } = exchange ?? {};
    const latest = longest === undefined ? '' : `${time(jwtEndsAt + longest * 1000)}, `;
    const end = exchange?.end(given, time(jwtEndsAt)) ?? `ask whoever runs ${audience}`;
    rows.set(what, row(holder, { what, until: `${latest}${usual}`, end }));
  }
  const others = {
    what: 'what any other audience gave: no policy limits them',
    until: 'its own rules',
    end: `signet audit query --pod ${pod.uid} --cluster: JwtSvidIssued names them`,
  };
  return [...rows.values(), ...(allowedAudiences === undefined ? [row(holder, others)] : [])];
}

function sessions(holder: Holder, serials: readonly string[]): readonly HeldElsewhere[] {
  const given = objectAt(holder.pod.metadata, 'annotations');
  const connections = {
    what: 'open TLS connections',
    until: 'closed, unless a side uses @signet/client, which closes them at once',
    end: 'close them at the server; nginx: nginx -s reload, with worker_shutdown_timeout',
  };
  if (!consumersOf(given).includes('postgres')) return [row(holder, connections)];
  const listed = serials.map((serial) => BigInt(`0x${serial}`)).join(', ');
  const database = {
    what: 'open PostgreSQL sessions',
    until: 'closed: certificates count when a client connects',
    end: `select pg_terminate_backend(pid) from pg_stat_ssl where client_serial in (${listed || 'SERIALS'})`,
  };
  return [row(holder, database), row(holder, connections)];
}

function atOthers(holder: Holder): readonly HeldElsewhere[] {
  return holder.identity.federatesWith.map((trustDomain) =>
    row(holder, {
      what: `whatever trust domain ${trustDomain} gave`,
      until: 'its own rules; our lists do not go there',
      end: `ask whoever runs ${trustDomain}`,
    }),
  );
}

type Row = Pick<HeldElsewhere, 'what' | 'until' | 'end'>;

function row({ pod, identity }: Holder, { what, until, end }: Row): HeldElsewhere {
  return { spiffeId: identity.spiffeId, pod: `${pod.namespace}/${pod.name}`, what, until, end };
}

function audiencesOf({ spec }: PodObject, given: JsonObject): readonly string[] {
  const asked = consumersOf(given).flatMap((name) => {
    const { token, audienceAnnotation = '' } = CONSUMERS.get(name) ?? {};
    if (token === undefined) return [];
    return [textAt(given, audienceAnnotation) || token.audience];
  });
  return [...asked, ...objectsIn(spec, 'volumes').flatMap(fileAudiences)];
}

function fileAudiences(volume: JsonObject): readonly string[] {
  const attributes = objectAt(volume, 'csi', 'volumeAttributes');
  if (ownValue(attributes, JWT_AUDIENCE) === undefined) return [];
  const texts = Object.entries(attributes).filter(
    (pair): pair is [string, string] => typeof pair[1] === 'string',
  );
  try {
    return readFileRequest(Object.fromEntries(texts))?.tokens.map(({ audience }) => audience) ?? [];
  } catch {
    // What the node plugin refuses gave nobody a token.
    return [];
  }
}

function consumersOf(given: JsonObject): readonly string[] {
  return textAt(given, 'signet.dev/for')
    .split(',')
    .map((name) => name.trim());
}

// Whoever made the pod wrote its annotations, and somebody will paste these commands into a shell: a name
// is taken over only when it has the form that the consumer's own names have.
const RULE_ID = /^\w{1,64}$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** IAM's own rule for role names; one that begins with `-` would be read as an option. */
const ROLE_NAME = /^(?!-)[\w+=,.@-]{1,64}$/;

function named(given: JsonObject, annotation: string, form: RegExp): string {
  const name = textAt(given, annotation);
  return form.test(name) ? name : `(see ${annotation})`;
}

function roleOf(given: JsonObject): string {
  const name = textAt(given, 'aws.signet.dev/role-arn').split('/').at(-1) ?? '';
  return ROLE_NAME.test(name) ? name : 'ROLE';
}

function is(audience: string): (other: string) => boolean {
  return (other) => other === audience;
}

function time(ms: number): string {
  return `${new Date(Math.ceil(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}
