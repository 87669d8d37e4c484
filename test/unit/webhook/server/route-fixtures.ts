// Requests to the paths of the webhook, and their answers.

import assert from 'node:assert/strict';
import type { JsonValue } from '../../../../src/template/json-value.ts';
import { admissionRoutes } from '../../../../src/webhook/server/admission-routes.ts';
import { makeContext } from './review-fixtures.ts';

type Asked = { readonly path: string; readonly body: JsonValue };

export async function send({ path, body }: Asked, context = makeContext()) {
  const route = admissionRoutes(context).find((each) => each.path === path);
  if (route === undefined) throw new Error(`no route ${path}`);
  assert.equal(route.method, 'POST');
  const answer = await route.handle({ body: new TextEncoder().encode(JSON.stringify(body)) });
  return { ...answer, body: String(answer.body) };
}

export const LABELLED = { 'signet.dev/inject': 'true' };

/** The resource of each of our kinds. */
export const PLURALS: ReadonlyMap<string, string> = new Map([
  ['ClusterSPIFFEID', 'clusterspiffeids'],
  ['ClusterStaticEntry', 'clusterstaticentries'],
  ['ClusterFederatedTrustDomain', 'clusterfederatedtrustdomains'],
  ['IdentityRestriction', 'identityrestrictions'],
]);
