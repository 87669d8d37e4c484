// What a preflight says of tokens, one change at a time.

import { ec, ISSUER, SPIFFE_ID, type TokenShape } from './jwt-fixtures.ts';

export type Trial = TokenShape & { readonly flags?: readonly string[] };

/** What every consumer is told, unless a trial says otherwise. */
export const GOOD: ReadonlyMap<string, Trial> = new Map<string, Trial>([
  [
    'anthropic',
    { claims: { aud: ['https://api.anthropic.com'] }, flags: [`--subject=${SPIFFE_ID}`] },
  ],
  ['openai', { flags: ['--audience=x', '--subject=spiffe://example.org/*'] }],
  ['aws', { claims: { aud: ['sts.amazonaws.com'] } }],
  ['gcp', { flags: ['--audience=x'] }],
  ['azure', { claims: { aud: ['api://AzureADTokenExchange'] }, flags: [`--subject=${SPIFFE_ID}`] }],
  ['vault', { flags: ['--audience=x', '--trust-domain=example.org', '--subject=/ns/+/agent/*'] }],
  ['keycloak', { flags: ['--audience=x', '--trust-domain=example.org'] }],
]);

const now = Math.floor(Date.now() / 1000);
const ES256 = { header: { alg: 'ES256', kid: 'key-2' }, key: ec.privateKey };
const gone = (name: string): Trial => ({ claims: { [name]: undefined } });

/** Consumer, what is changed, how, and which checks do not pass. */
export const ROWS: readonly (readonly [string, string, Trial, readonly string[]])[] = [
  ['anthropic', 'ES256 is taken', ES256, []],
  [
    'anthropic',
    'a shared secret',
    { header: { alg: 'HS256' } },
    ['algorithm refused', 'discovery refused', 'signature refused'],
  ],
  [
    'anthropic',
    'EdDSA',
    { header: { alg: 'EdDSA' } },
    ['algorithm refused', 'discovery refused', 'signature refused'],
  ],
  ['anthropic', 'no kid', { header: { kid: undefined } }, ['key-id refused', 'signature refused']],
  [
    'anthropic',
    'no iss',
    gone('iss'),
    ['claims refused', 'issuer-url refused', 'discovery refused'],
  ],
  ['anthropic', 'no iat', gone('iat'), ['claims refused', 'lifetime refused']],
  ['anthropic', 'expired within the skew', { claims: { iat: now - 300, exp: now - 20 } }, []],
  ['anthropic', 'expired', { claims: { iat: now - 300, exp: now - 40 } }, ['dates refused']],
  ['anthropic', 'issued later', { claims: { iat: now + 120 } }, ['dates refused']],
  [
    'anthropic',
    'an hour and a second',
    { claims: { iat: now, exp: now + 3601 } },
    ['lifetime refused'],
  ],
  [
    'anthropic',
    'the same, which was set',
    { claims: { iat: now, exp: now + 3601 }, flags: ['--max-lifetime=2h'] },
    [],
  ],
  [
    'anthropic',
    'a life that cannot be set',
    { flags: ['--max-lifetime=50h'] },
    ['lifetime refused'],
  ],
  ['anthropic', 'another audience than usual', { claims: { aud: ['x'] } }, ['audience warning']],
  [
    'anthropic',
    'another audience than the rule’s',
    { flags: ['--audience=x'] },
    ['audience refused'],
  ],
  [
    'anthropic',
    'several audiences',
    { claims: { aud: ['https://api.anthropic.com', 'x'] } },
    ['audience warning'],
  ],
  [
    'anthropic',
    'another subject',
    { flags: ['--subject=spiffe://example.org/x'] },
    ['subject refused'],
  ],
  ['anthropic', 'the start of the subject', { flags: ['--subject=spiffe://example.org/ns/*'] }, []],
  ['anthropic', 'jti', { claims: { jti: 'a' } }, ['single-use warning']],
  ['anthropic', 'a nested claim', { claims: { agent: { name: 'a' } } }, ['flat-claims warning']],
  [
    'anthropic',
    'an issuer with a port',
    { claims: { iss: `${ISSUER}:8443` } },
    ['issuer-url refused', 'discovery refused'],
  ],
  [
    'anthropic',
    'an address for an issuer',
    { claims: { iss: 'https://192.0.2.1' } },
    ['issuer-url refused', 'discovery refused'],
  ],
  [
    'anthropic',
    'a name of the cluster',
    { claims: { iss: 'https://signet-oidc.signet.svc' } },
    ['issuer-url refused', 'discovery refused'],
  ],
  [
    'anthropic',
    'http',
    { claims: { iss: 'http://oidc.example.org' } },
    ['issuer-url refused', 'discovery refused'],
  ],
  ['anthropic', 'a slash too many', { claims: { iss: `${ISSUER}/` } }, ['discovery refused']],
  ['anthropic', 'a key that is not there', { header: { kid: 'key-3' } }, ['signature refused']],
  [
    'anthropic',
    'a signature by another key of that name',
    { key: ec.privateKey },
    ['signature refused'],
  ],
  ['openai', 'no audience', gone('aud'), ['claims refused', 'audience refused']],
  ['openai', 'no iat', gone('iat'), ['claims refused']],
  ['openai', 'no kid', { header: { kid: undefined } }, ['key-id refused', 'signature refused']],
  ['openai', 'another audience', { flags: ['--audience=y'] }, ['audience refused']],
  ['openai', 'expired', { claims: { exp: now - 1 } }, ['dates refused']],
  ['aws', 'ES256', ES256, []],
  [
    'aws',
    'PS256',
    { header: { alg: 'PS256' } },
    ['algorithm refused', 'discovery refused', 'signature refused'],
  ],
  ['aws', 'dates with a fraction', { claims: { iat: now + 0.5 } }, ['integer-dates refused']],
  [
    'aws',
    'an issuer with a port',
    { claims: { iss: `${ISSUER}:8443` } },
    ['issuer-url refused', 'discovery refused'],
  ],
  [
    'aws',
    'an issuer with a query',
    { claims: { iss: `${ISSUER}?a=b` } },
    ['issuer-url refused', 'discovery refused'],
  ],
  ['aws', 'no exp', gone('exp'), ['claims refused', 'dates refused']],
  [
    'aws',
    'over 20,000 characters',
    { claims: { agent_x: 'x'.repeat(15_000) } },
    ['length refused'],
  ],
  ['anthropic', 'over 16 KiB', { claims: { agent_x: 'x'.repeat(12_500) } }, ['length refused']],
  ['aws', 'over 16 KiB', { claims: { agent_x: 'x'.repeat(12_500) } }, []],
  ['gcp', 'ES256', ES256, []],
  [
    'gcp',
    'RS512',
    { header: { alg: 'RS512' } },
    ['algorithm refused', 'discovery refused', 'signature refused'],
  ],
  ['gcp', 'seven hours', { claims: { iat: now, exp: now + 7 * 3600 } }, ['lifetime warning']],
  [
    'gcp',
    'two days and a second',
    { claims: { iat: now, exp: now + 48 * 3600 + 1 } },
    ['lifetime refused'],
  ],
  [
    'gcp',
    'a long subject',
    { claims: { sub: `${SPIFFE_ID}/${'x'.repeat(90)}` } },
    ['sub-length warning'],
  ],
  ['azure', 'ES256, which is not supported', ES256, ['algorithm refused']],
  [
    'azure',
    'several audiences',
    { claims: { aud: ['api://AzureADTokenExchange', 'x'] } },
    ['audience refused'],
  ],
  ['azure', 'a wildcard', { flags: ['--subject=spiffe://example.org/*'] }, ['subject refused']],
  [
    'azure',
    'a subject of 601 bytes',
    { claims: { sub: `${SPIFFE_ID}/${'x'.repeat(601)}` } },
    ['subject refused', 'sub-length refused'],
  ],
  [
    'vault',
    'another trust domain',
    { flags: ['--trust-domain=other.org'] },
    ['trust-domain refused'],
  ],
  [
    'vault',
    'a sub that is no SPIFFE ID',
    { claims: { sub: 'me' } },
    ['trust-domain refused', 'subject refused'],
  ],
  ['vault', 'a pattern of one segment', { flags: ['--subject=ns/+/agent/+'] }, []],
  [
    'vault',
    'a pattern that is too short',
    { flags: ['--subject=ns/+/agent'] },
    ['subject refused'],
  ],
  ['vault', 'a pattern of another place', { flags: ['--subject=ns/other/*'] }, ['subject refused']],
  ['vault', 'all', { flags: ['--subject=*'] }, []],
  ['keycloak', 'no iss, which is ignored', gone('iss'), []],
  ['keycloak', 'another audience', { flags: ['--audience=y'] }, ['audience refused']],
  ['keycloak', 'no exp', gone('exp'), ['claims refused', 'dates refused']],
];
