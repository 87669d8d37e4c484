// Credentials of others for nothing but the identity. AUTHORITY stands for all of them here.

import {
  awsRolesAnywhere,
  awsWebIdentity,
  claudeCredentials,
  JwtSource,
  oauthClientAssertion,
  oauthClientCredentials,
  openAiCredentials,
  openAiWorkloadIdentity,
  vaultLogin,
  X509Source,
} from '@signet/client';

const AUTHORITY = process.env['AUTHORITY'] ?? '';
const source = new JwtSource();
const x509 = new X509Source();
await x509.ready();

// What an AWS SDK takes as `credentials`: by a token, or by the certificate.
const roleArn = 'arn:aws:iam::123456789012:role/agent';
const web = awsWebIdentity({ source, roleArn, stsUrl: `${AUTHORITY}/sts` });
console.log((await web()).accessKeyId);

const arn = 'arn:aws:rolesanywhere:eu-central-1:123456789012';
const anywhere = awsRolesAnywhere({
  source: x509,
  roleArn,
  profileArn: `${arn}:profile/0001`,
  trustAnchorArn: `${arn}:trust-anchor/0002`,
  url: `${AUTHORITY}/aws`,
});
console.log((await anywhere()).accessKeyId);

const vault = vaultLogin({ source, address: AUTHORITY, role: 'agent', audience: 'vault' });
console.log((await vault()).token);

// What `new Anthropic({ credentials })` takes.
const claude = claudeCredentials({
  source,
  federationRuleId: 'fdrl_1',
  organizationId: 'org-uuid',
  serviceAccountId: 'svac_1',
  baseUrl: AUTHORITY,
});
console.log((await claude()).token);

// What `new OpenAI({ workloadIdentity })` takes, and the same for other HTTP clients.
const ids = { identityProviderId: 'idp_1', serviceAccountId: 'sa_1', audience: 'openai' };
const openAi = openAiWorkloadIdentity({ source, ...ids });
console.log(openAi.provider.tokenType);
const other = openAiCredentials({ source, ...ids, tokenUrl: `${AUTHORITY}/oauth/token` });
console.log((await other()).token);

const issuer = 'https://as.example.org';
const oauth = oauthClientCredentials({ source, issuer, tokenUrl: `${AUTHORITY}/oauth/token` });
console.log((await oauth()).token);
const assertion = await oauthClientAssertion(source, issuer);
console.log(Object.keys(assertion).join(' '));

source.close();
x509.close();

// → ASIA-web
// → ASIA-anywhere
// → hvs-token
// → access-token
// → jwt
// → access-token
// → access-token
// → client_assertion_type client_assertion
