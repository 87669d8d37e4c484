// What came of a restriction, as far as it is known a few seconds later: whether it is in effect, and which
// certificates are on the revocation lists for it.

import { type RevokedCertificate, readRevocations } from '../authorities/revocation-document.ts';
import type { Clock } from '../base/clock.ts';
import { type KubeClient, segment } from '../kube/kube-client.ts';
import { parseTrustDomain } from '../spiffe/spiffe-id.ts';
import type { JsonObject } from '../template/json-value.ts';
import { RESTRICTIONS_PATH } from './cluster/identity-objects.ts';
import { objectAt, objectsIn, textAt, textsIn, valueAt } from './cluster/reader.ts';

export type ListedCertificates = {
  readonly count: number;
  /** Lower-case hex, last to end first; of what the status of the restriction says, only some. */
  readonly serials: readonly string[];
  /** RFC 3339; '' when there are none. */
  readonly lastNotAfter: string;
};

export type Outcome = {
  /** Whether the controller reports it to be in force; undefined when it said nothing in time. */
  readonly inEffect: boolean | undefined;
  /** Undefined when nothing is known of lists. */
  readonly revoked: ListedCertificates | undefined;
};

export type Asking = {
  readonly name: string;
  /** Where Signet is installed. */
  readonly namespace: string;
  /** Whether certificates should be out. */
  readonly expects: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

const LOOKS = 10;
const LOOK_EVERY_MS = 500;

/** Looks until there is something to say of both, for five seconds at most. Throws what the client throws. */
export async function readOutcome(client: KubeClient, asking: Asking): Promise<Outcome> {
  const { expects, clock, signal } = asking;
  let last: Outcome = { inEffect: undefined, revoked: undefined };
  for (let look = 0; look < LOOKS && !signal.aborted; look += 1) {
    if (look > 0) await clock.sleep(LOOK_EVERY_MS, signal);
    const before = last.revoked?.count;
    last = await lookOnce(client, asking);
    const { inEffect, revoked } = last;
    // Each issuer adds what it alone knows: the same count twice is likely to be all.
    const isListed =
      !expects || revoked === undefined || (revoked.count > 0 && revoked.count === before);
    if (inEffect === false || (inEffect === true && isListed)) break;
  }
  return last;
}

async function lookOnce(client: KubeClient, asking: Asking): Promise<Outcome> {
  const { name, signal } = asking;
  const path = `${RESTRICTIONS_PATH}/${segment(name)}`;
  const object = await client.send({ method: 'GET', path, signal });
  const generation = valueAt(object, 'metadata', 'generation');
  const condition = objectsIn(objectAt(object, 'status'), 'conditions').find(
    (each) => textAt(each, 'type') === 'InEffect' && each['observedGeneration'] === generation,
  );
  return {
    inEffect: condition === undefined ? undefined : textAt(condition, 'status') === 'True',
    revoked: (await listed(client, asking)) ?? saidOf(object),
  };
}

/** By the issuers' document, which is there sooner than a status. */
async function listed(
  client: KubeClient,
  { name, namespace, signal }: Asking,
): Promise<ListedCertificates | undefined> {
  const path = `/api/v1/namespaces/${segment(namespace)}/configmaps/signet-revocations`;
  try {
    const map = await client.send({ method: 'GET', path, signal });
    const value: unknown = JSON.parse(textAt(map, 'data', 'document.json'));
    const { trustDomain } = (value ?? {}) as { trustDomain?: unknown };
    const { revoked } = readRevocations(value, parseTrustDomain(String(trustDomain)));
    return certificatesOf(revoked.filter(({ by }) => by.includes(name)));
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    // Not for everybody to read, nor there at once: the status says it as well, a little later.
    return undefined;
  }
}

function certificatesOf(revoked: readonly RevokedCertificate[]): ListedCertificates {
  const sorted = revoked.toSorted((a, b) => b.notAfter - a.notAfter);
  const last = sorted[0]?.notAfter;
  return {
    count: sorted.length,
    serials: sorted.map(({ serial }) => serial),
    lastNotAfter: last === undefined ? '' : `${new Date(last * 1000).toISOString().slice(0, 19)}Z`,
  };
}

function saidOf(restriction: JsonObject): ListedCertificates | undefined {
  const revoked = objectAt(restriction, 'status', 'revoked');
  const count = valueAt(revoked, 'count');
  if (typeof count !== 'number') return undefined;
  const lastNotAfter = textAt(revoked, 'lastNotAfter');
  return { count, serials: textsIn(revoked, 'serials'), lastNotAfter };
}
