// Temporary credentials of AWS for an X.509-SVID (IAM Roles Anywhere, CreateSession), in the form that
// AWS SDKs for JavaScript take as `credentials`. The request is signed as AWS requests are, by the
// SVID's key, with the certificate in place of an access key.

import { createHash, type KeyObject, sign, X509Certificate } from 'node:crypto';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { CodedError, invalid } from '../../../src/base/errors.ts';
import type { X509Svid } from '../x509-context.ts';
import { type AwsCredentials, checkDuration, SHORTEST_SESSION_SECONDS } from './aws.ts';
import { checkPresent, keptUntilRenewed } from './credential.ts';
import {
  checkStatus,
  checkTokenUrl,
  errorOf,
  type Fetch,
  parseAnswer,
  postForTokens,
  type TokenAnswer,
  textOf,
} from './token-request.ts';

export type AwsRolesAnywhereOptions = {
  /** `X509Source` is one. */
  readonly source: { readonly svid: Pick<X509Svid, 'chain' | 'privateKey'> };
  readonly roleArn: string;
  readonly profileArn: string;
  /** Its region is the one that is asked. */
  readonly trustAnchorArn: string;
  /** For where the profile takes one; else sessions are named by the certificate's serial number. */
  readonly sessionName?: string;
  /** 900 to 43200; default: 900, for a session outlives a revoked identity. */
  readonly durationSeconds?: number;
  /** In place of the region's own address. */
  readonly url?: string;
  readonly fetch?: Fetch;
  readonly clock?: Clock;
};

const OF = 'AWS Roles Anywhere';
const ANCHOR = /^arn:(aws(?:-[a-z]+)*):rolesanywhere:([a-z0-9-]+):[0-9]{12}:trust-anchor\/[\w-]+$/;
const SERVICE = 'rolesanywhere';
const CONTENT_TYPE = 'application/json';

/** Throws `invalid-argument` naming the option; the function, what AWS refuses with its message. */
export function awsRolesAnywhere(options: AwsRolesAnywhereOptions): () => Promise<AwsCredentials> {
  const { source, roleArn, profileArn, trustAnchorArn, sessionName, clock = systemClock } = options;
  const { durationSeconds = SHORTEST_SESSION_SECONDS } = options;
  checkPresent({ roleArn, profileArn, trustAnchorArn });
  checkDuration(durationSeconds);
  const [, partition, region = ''] = ANCHOR.exec(trustAnchorArn) ?? [];
  if (partition === undefined) throw invalid('trustAnchorArn: not the ARN of a trust anchor');
  const domain = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  const base = options.url ?? `https://${SERVICE}.${region}.${domain}`;
  const url = checkTokenUrl(`${base.replace(/\/$/, '')}/sessions`, 'url');
  const body = JSON.stringify({
    durationSeconds,
    profileArn,
    roleArn,
    trustAnchorArn,
    ...(sessionName === undefined ? {} : { roleSessionName: sessionName }),
  });
  const renewed = keptUntilRenewed(clock, async () => {
    const headers = signedHeaders({ svid: source.svid, url, region, body, now: clock.now() });
    const request = { of: OF, url: url.href, headers, body, fetch: options.fetch };
    return readSession(await postForTokens(request));
  });
  return async () => {
    requireIdentity(source);
    const { expiresAt, ...credentials } = await renewed.get();
    return { ...credentials, expiration: new Date(expiresAt) };
  };
}

/** What was withdrawn gets nothing that is kept either; who is only away does. */
function requireIdentity(source: AwsRolesAnywhereOptions['source']): void {
  try {
    void source.svid;
  } catch (thrown) {
    if (CodedError.from(thrown).code !== 'unavailable') throw thrown;
  }
}

type Signing = {
  readonly svid: Pick<X509Svid, 'chain' | 'privateKey'>;
  readonly url: URL;
  readonly region: string;
  readonly body: string;
  readonly now: number;
};

// Signature Version 4 with the changes that the user guide of Roles Anywhere names: the algorithm, the
// serial number for the access key, and certificates among the signed headers.
function signedHeaders({ svid, url, region, body, now }: Signing): Record<string, string> {
  const [leaf, ...above] = svid.chain;
  if (leaf === undefined) throw invalid('svid: without a certificate');
  const date = new Date(now).toISOString().replaceAll(/[-:]|\.[0-9]{3}/g, '');
  const headers: Record<string, string> = {
    'content-type': CONTENT_TYPE,
    host: url.host,
    'x-amz-date': date,
    'x-amz-x509': base64(leaf),
    ...(above.length === 0 ? {} : { 'x-amz-x509-chain': above.map(base64).join(',') }),
  };
  const names = Object.keys(headers).toSorted();
  const canonical = [
    'POST',
    url.pathname,
    '',
    ...names.map((name) => `${name}:${headers[name] ?? ''}`),
    '',
    names.join(';'),
    sha256(body),
  ].join('\n');
  const algorithm = algorithmOf(svid.privateKey);
  const scope = `${date.slice(0, 8)}/${region}/${SERVICE}/aws4_request`;
  const text = [algorithm, date, scope, sha256(canonical)].join('\n');
  const signature = sign('sha256', Buffer.from(text), svid.privateKey).toString('hex');
  const serial = BigInt(`0x${new X509Certificate(leaf).serialNumber}`);
  const { host: _, ...sent } = headers;
  return {
    ...sent,
    authorization: [
      `${algorithm} Credential=${serial}/${scope}`,
      `SignedHeaders=${names.join(';')}`,
      `Signature=${signature}`,
    ].join(', '),
  };
}

function algorithmOf({ asymmetricKeyType: type }: KeyObject): string {
  if (type === 'ec') return 'AWS4-X509-ECDSA-SHA256';
  if (type === 'rsa') return 'AWS4-X509-RSA-SHA256';
  throw invalid(`svid: AWS takes RSA and elliptic curve keys, not ${String(type)}`);
}

function readSession(answer: TokenAnswer) {
  if (answer.status !== 201) checkStatus(OF, answer, messageOf(answer));
  const sets = parseAnswer(OF, answer).get('credentialSet');
  const [first, ...more] = Array.isArray(sets) ? (sets as readonly unknown[]) : [];
  const credentials = first instanceof Map ? (first.get('credentials') as unknown) : undefined;
  if (!(credentials instanceof Map) || more.length > 0) {
    throw new CodedError('unavailable', `${OF}: answer: credentialSet: not one`);
  }
  const value = (name: string) => textOf(OF, credentials, name);
  const expiresAt = Date.parse(value('expiration'));
  if (Number.isNaN(expiresAt)) {
    throw new CodedError('unavailable', `${OF}: answer: expiration: not a date`);
  }
  return {
    accessKeyId: value('accessKeyId'),
    secretAccessKey: value('secretAccessKey'),
    sessionToken: value('sessionToken'),
    expiresAt,
  };
}

function messageOf(answer: TokenAnswer): string {
  try {
    const message = parseAnswer(OF, answer).get('message');
    return typeof message === 'string' ? message : errorOf(answer.text);
  } catch {
    return '';
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function base64(der: Uint8Array): string {
  return Buffer.from(der).toString('base64');
}
