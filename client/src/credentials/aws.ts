// Temporary credentials of AWS for a JWT-SVID (STS AssumeRoleWithWebIdentity, which needs no signature),
// in the form that AWS SDKs for JavaScript take as `credentials`. Servers with the same call, such as
// object stores, are reached by `stsUrl`.

import { CodedError, invalid } from '../../../src/base/errors.ts';
import { type CredentialOptions, checkPresent, exchanged } from './credential.ts';
import { checkStatus, checkTokenUrl, postForTokens } from './token-request.ts';

export type AwsWebIdentityOptions = CredentialOptions & {
  readonly roleArn: string;
  /** The region whose STS is asked, such as `eu-central-1`; or `stsUrl`. */
  readonly region?: string;
  readonly stsUrl?: string;
  /** Shown in CloudTrail: 2 to 64 of letters, digits and `_=,.@-`. Default: `signet`. */
  readonly sessionName?: string;
  /** 900 to 43200; default: 900, for a session outlives a revoked identity. */
  readonly durationSeconds?: number;
  /** A client ID of the OpenID Connect provider in IAM; default: `sts.amazonaws.com`. */
  readonly audience?: string;
};

export type AwsCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
};

const OF = 'AWS AssumeRoleWithWebIdentity';
export const SHORTEST_SESSION_SECONDS = 900;
const LONGEST_SESSION_SECONDS = 43_200;

/** Throws `invalid-argument` naming the option; the function, what STS refuses with its code. */
export function awsWebIdentity(options: AwsWebIdentityOptions): () => Promise<AwsCredentials> {
  const { roleArn, sessionName = 'signet', durationSeconds = SHORTEST_SESSION_SECONDS } = options;
  checkPresent({ roleArn });
  if (!/^[\w+=,.@-]{2,64}$/.test(sessionName)) {
    throw invalid('sessionName: must be 2 to 64 of letters, digits and _+=,.@-');
  }
  checkDuration(durationSeconds);
  const url = stsUrl(options);
  const renewed = exchanged(options, options.audience ?? 'sts.amazonaws.com', async (assertion) => {
    const answer = await postForTokens({
      of: OF,
      url,
      headers: { accept: 'application/xml' },
      body: new URLSearchParams({
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: roleArn,
        RoleSessionName: sessionName,
        DurationSeconds: String(durationSeconds),
        WebIdentityToken: assertion,
      }),
      fetch: options.fetch,
    });
    checkStatus(OF, answer, stsError(answer.text));
    return readCredentials(answer.text);
  });
  return async () => {
    const { expiresAt, ...credentials } = await renewed.get();
    return { ...credentials, expiration: new Date(expiresAt) };
  };
}

/** Throws `invalid-argument`. */
export function checkDuration(seconds: number): void {
  const isLongEnough = seconds >= SHORTEST_SESSION_SECONDS;
  if (Number.isInteger(seconds) && isLongEnough && seconds <= LONGEST_SESSION_SECONDS) return;
  const range = `${SHORTEST_SESSION_SECONDS} to ${LONGEST_SESSION_SECONDS}`;
  throw invalid(`durationSeconds: must be ${range}`);
}

function stsUrl({ stsUrl: given, region }: AwsWebIdentityOptions): string {
  if (given !== undefined) return checkTokenUrl(given, 'stsUrl').href;
  if (region === undefined) throw invalid('region: must not be empty, or stsUrl given');
  if (!/^[a-z]{2,}(?:-[a-z]+)+-[0-9]{1,2}$/.test(region)) {
    throw invalid('region: not the name of a region');
  }
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  return `https://sts.${region}.${domain}/`;
}

function readCredentials(xml: string): {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiresAt: number;
} {
  const credentials = element(xml, 'Credentials', /^[^&]*$/s);
  const value = (name: string) => element(credentials, name, /^[\x21-\x25\x27-\x3b\x3d-\x7e]+$/);
  const expiresAt = Date.parse(value('Expiration'));
  if (Number.isNaN(expiresAt)) throw broken('Expiration: not a date');
  return {
    accessKeyId: value('AccessKeyId'),
    secretAccessKey: value('SecretAccessKey'),
    sessionToken: value('SessionToken'),
    expiresAt,
  };
}

/** The content of an element that is there once, and holds nothing that would need an XML reader. */
function element(xml: string, name: string, form: RegExp): string {
  const [before, after, ...more] = xml.split(`<${name}>`);
  const parts = after?.split(`</${name}>`) ?? [];
  const [content] = parts;
  if (before === undefined || content === undefined || parts.length !== 2 || more.length > 0) {
    throw broken(`${name}: not there once`);
  }
  if (!form.test(content)) throw broken(`${name}: not in the form expected`);
  return content;
}

function broken(message: string): CodedError {
  return new CodedError('unavailable', `${OF}: answer: ${message}`);
}

/** `Code: Message` of an error answer, in STS's words. */
function stsError(xml: string): string {
  const parts = ['Code', 'Message'].map((name) => {
    const [, content = ''] = new RegExp(`<${name}>([^<]{1,500})</${name}>`).exec(xml) ?? [];
    return content;
  });
  return parts.filter((part) => part !== '').join(': ');
}
