// What each consumer publishes of the SVIDs that it takes, as data: what is not published is not here.
// docs/oidc.md has the same as a table.

import * as certificates from './certificate-checks.ts';
import type { Consumer } from './check.ts';
import * as documents from './document-checks.ts';
import * as tokens from './token-checks.ts';

const RFC_7519 = 'RFC 7519 §4.1';
const ANTHROPIC = 'Claude API: workload identity federation';
const OPENAI = 'OpenAI API: workload identity federation';
const AWS = 'AWS IAM: OpenID Connect identity providers, quotas, web identity';
const GCP = 'Google Cloud: workload identity federation with OpenID Connect';
const AZURE = 'Microsoft Entra: federated identity credentials';
const VAULT = 'Vault: SPIFFE auth method';
const KEYCLOAK = 'Keycloak: SPIFFE identity provider';
const POSTGRES = 'PostgreSQL: certificate authentication';

const RSA_AND_EC = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];
const HOUR = 3600;
const OIDC_KEYS = ['sig'];

export const CONSUMERS: ReadonlyMap<string, Consumer> = new Map<string, Consumer>([
  [
    'anthropic',
    {
      title: 'the Claude API',
      usualAudience: 'https://api.anthropic.com',
      takes: 'token',
      checks: [
        tokens.algorithm(ANTHROPIC, [...RSA_AND_EC, 'PS256', 'PS384', 'PS512']),
        tokens.keyId(ANTHROPIC),
        tokens.claims(ANTHROPIC, ['sub', 'iss', 'iat', 'exp']),
        tokens.dates(ANTHROPIC, 30),
        tokens.lifetime(ANTHROPIC, { most: HOUR, settable: 176_400 }),
        tokens.length(ANTHROPIC, 16 * 1024),
        tokens.audience(ANTHROPIC, { usual: 'https://api.anthropic.com' }),
        tokens.subject(ANTHROPIC),
        tokens.flatClaims(ANTHROPIC),
        tokens.singleUse(ANTHROPIC),
        documents.issuerUrl(ANTHROPIC, { port: false, isPublic: true }),
        documents.discovery(ANTHROPIC),
        documents.signature(ANTHROPIC, OIDC_KEYS),
      ],
    },
  ],
  [
    'openai',
    {
      title: 'the OpenAI API',
      takes: 'token',
      checks: [
        tokens.keyId(OPENAI),
        tokens.claims(OPENAI, ['sub', 'iss', 'aud', 'iat', 'exp']),
        tokens.dates(RFC_7519),
        tokens.audience(OPENAI, { what: 'the audience of the identity provider' }),
        tokens.subject(OPENAI),
        documents.issuerUrl(OPENAI, {}),
        documents.discovery(OPENAI),
        documents.signature(OPENAI, OIDC_KEYS),
      ],
    },
  ],
  [
    'aws',
    {
      title: 'AWS STS',
      usualAudience: 'sts.amazonaws.com',
      takes: 'token',
      checks: [
        tokens.algorithm(AWS, RSA_AND_EC),
        tokens.claims(AWS, ['iss', 'sub', 'aud', 'iat', 'exp']),
        tokens.integerDates(AWS),
        tokens.dates(RFC_7519),
        tokens.length(AWS, 20_000),
        tokens.audience(AWS, { usual: 'sts.amazonaws.com' }),
        documents.issuerUrl(AWS, { port: false, isPublic: true }),
        documents.publicTls(AWS),
        documents.discovery(AWS),
        documents.keyCounts(AWS, 100),
        documents.signature(AWS, OIDC_KEYS),
      ],
    },
  ],
  [
    'gcp',
    {
      title: 'Google Cloud',
      takes: 'token',
      checks: [
        tokens.algorithm(GCP, ['RS256', 'ES256']),
        tokens.keyId(GCP),
        tokens.claims(GCP, ['iss', 'iat', 'exp', 'sub', 'aud']),
        tokens.dates(RFC_7519),
        tokens.lifetime(GCP, { most: 48 * HOUR, advised: 6 * HOUR }),
        tokens.audience(GCP, {
          what: 'the allowed audience, by default the name of the provider,',
        }),
        tokens.textLength(GCP, 'sub', { most: 127, isAdvice: true }),
        documents.issuerUrl(GCP, { isPublic: true }),
        documents.publicTls(GCP),
        documents.discovery(GCP),
        documents.signature(GCP, OIDC_KEYS),
      ],
    },
  ],
  [
    'azure',
    {
      title: 'Microsoft Entra',
      usualAudience: 'api://AzureADTokenExchange',
      takes: 'token',
      checks: [
        tokens.algorithm(AZURE, ['RS256']),
        tokens.claims(AZURE, ['iss', 'sub', 'aud']),
        tokens.dates(RFC_7519),
        tokens.audience(AZURE, { usual: 'api://AzureADTokenExchange', isSole: true }),
        tokens.subject(AZURE, true),
        tokens.textLength(AZURE, 'iss', { most: 600 }),
        tokens.textLength(AZURE, 'sub', { most: 600 }),
        tokens.textLength(AZURE, 'aud', { most: 600 }),
        documents.issuerUrl(AZURE, {}),
        documents.discovery(AZURE),
        documents.signature(AZURE, OIDC_KEYS),
      ],
    },
  ],
  [
    'vault',
    {
      title: 'Vault',
      usesBundle: true,
      takes: 'token',
      checks: [
        tokens.trustDomain(VAULT),
        tokens.dates(RFC_7519),
        tokens.audience(VAULT, {
          what: 'one of the audiences configured (an empty list takes none)',
        }),
        tokens.workloadPattern(VAULT),
        documents.signature(VAULT, ['jwt-svid']),
      ],
    },
  ],
  [
    'keycloak',
    {
      title: 'Keycloak',
      usesBundle: true,
      takes: 'token',
      checks: [
        tokens.trustDomain(KEYCLOAK),
        tokens.claims(KEYCLOAK, ['sub', 'aud', 'exp']),
        tokens.dates(KEYCLOAK),
        tokens.audience(KEYCLOAK, { what: 'the issuer URL of the realm' }),
        documents.signature(KEYCLOAK, ['jwt-svid', 'sig']),
      ],
    },
  ],
  [
    'postgres',
    {
      title: 'PostgreSQL',
      takes: 'certificate',
      checks: [
        certificates.commonName(POSTGRES, 64),
        certificates.userName(POSTGRES),
        certificates.validity(POSTGRES),
        certificates.sentChain(POSTGRES),
      ],
    },
  ],
]);
