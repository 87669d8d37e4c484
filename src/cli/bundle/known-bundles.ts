// The bundles that an installation or a dev run knows: its own, made from the state of its authorities, and
// those of other trust domains as they are stored.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readState } from '../../authorities/authority-state.ts';
import { bundleOf } from '../../authorities/public-bundle.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import {
  FEDERATED_CONFIG_MAP,
  type FederatedBundles,
  readFederatedBundles,
} from '../../federation/federated-bundle.ts';
import { FileAuthorityStore } from '../../issuer/authority/file-authority-store.ts';
import { segment } from '../../kube/kube-client.ts';
import type { Bundle } from '../../spiffe/bundle/bundle.ts';
import { parseTrustDomain, type TrustDomain } from '../../spiffe/spiffe-id.ts';
import { type ClusterReader, objectAt, textAt } from '../cluster/reader.ts';

export type KnownBundle = {
  readonly bundle: Bundle;
  /** `own`, `fetched`, or `declared`: as an object has it, for it was never fetched. */
  readonly source: 'own' | 'fetched' | 'declared';
};

const STATE_CONFIG_MAP = 'signet-authority-state';
const KEY = 'document.json';

/** Our own first. Throws `not-found` where there is no installation. */
export async function clusterBundles(
  reader: ClusterReader,
  namespace: string,
): Promise<readonly KnownBundle[]> {
  const textOf = async (name: string): Promise<string> => {
    const path = `/api/v1/namespaces/${segment(namespace)}/configmaps/${segment(name)}`;
    return textAt(objectAt((await reader.get(path)) ?? {}, 'data'), KEY);
  };
  const state = await textOf(STATE_CONFIG_MAP);
  if (state === '') {
    const message = `namespace ${namespace}: no ConfigMap ${STATE_CONFIG_MAP}; see --namespace`;
    throw new CodedError('not-found', message);
  }
  const federated = await textOf(FEDERATED_CONFIG_MAP);
  return known(JSON.parse(state), federated === '' ? new Map() : readFederatedBundles(federated));
}

/** The same of a run directory of `signet dev`; `given` where it has had several trust domains. */
export async function directoryBundles(
  directory: string,
  given: TrustDomain | undefined,
): Promise<readonly KnownBundle[]> {
  const trustDomain = given ?? onlyTrustDomainIn(directory);
  const authorities = join(directory, `authorities-${trustDomain}`);
  if (!existsSync(authorities)) throw missing(directory, trustDomain);
  const stored = await new FileAuthorityStore(authorities).read('state');
  if (stored === undefined) throw missing(directory, trustDomain);
  const path = join(directory, `federated-bundles-${trustDomain}.json`);
  const text = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  return known(stored.value, text === undefined ? new Map() : readFederatedBundles(text));
}

function known(value: unknown, federated: FederatedBundles): readonly KnownBundle[] {
  const { trustDomain } = (value ?? {}) as { trustDomain?: unknown };
  const own = bundleOf(readState(value, parseTrustDomain(String(trustDomain))));
  const others = Array.from(federated.values(), ({ bundle, isFetched }): KnownBundle => {
    return { bundle, source: isFetched ? 'fetched' : 'declared' };
  });
  return [{ bundle: own, source: 'own' }, ...others];
}

const PREFIX = 'authorities-';

function onlyTrustDomainIn(directory: string): TrustDomain {
  if (!existsSync(directory)) throw missing(directory);
  const names = readdirSync(directory).filter((name) => name.startsWith(PREFIX));
  const [name, ...more] = names;
  if (name === undefined) throw missing(directory);
  if (more.length > 0) throw invalid(`--trust-domain: needed, ${directory} has several`);
  return parseTrustDomain(name.slice(PREFIX.length));
}

function missing(directory: string, trustDomain?: TrustDomain): CodedError {
  const of = trustDomain === undefined ? '' : ` of ${trustDomain}`;
  return new CodedError('not-found', `${directory}: no authorities${of}`);
}
