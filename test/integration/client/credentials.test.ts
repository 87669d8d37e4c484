// Exchanges of JWT-SVIDs for credentials of others, over real connections to endpoints that verify.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import { jwtVerify } from 'jose';
import {
  awsWebIdentity,
  oauthClientAssertion,
  oauthClientCredentials,
  openAiCredentials,
  openAiWorkloadIdentity,
  vaultLogin,
} from '../../../client/src/index.ts';
import { JwtSigner } from '../../fakes/jwt-signer.ts';
import { TokenEndpoint, type TokenReply } from '../../fakes/token-endpoint.ts';

const AGENT = 'spiffe://example.org/agent';
const ROLE = 'arn:aws:iam::123456789012:role/agent';
const signer = new JwtSigner('key-1');
const source = {
  fetchNew: async ({ audience }: { audience: string | readonly string[] }) => ({
    token: await signer.token(AGENT, String(audience)),
  }),
};

let endpoint: TokenEndpoint;
beforeEach(async () => {
  endpoint = new TokenEndpoint(() => ({ status: 500, body: '' }));
  await endpoint.start();
});
afterEach(() => endpoint.close());

async function isFor(token: string | undefined, audience: string): Promise<boolean> {
  try {
    const { payload } = await jwtVerify(token ?? '', signer.publicKey);
    return payload.sub === AGENT && String(payload.aud) === audience;
  } catch {
    return false;
  }
}

const bearer = (expires: unknown = 300) => ({ access_token: 'at-1', expires_in: expires });

test('OpenAI: the exchange of RFC 8693 with its two ids, or tokens for the SDK to exchange', async () => {
  endpoint.handle = async ({ path, fields }) => {
    assert.deepEqual(
      { ...fields, subject_token: await isFor(fields['subject_token'], 'openai') },
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        subject_token: true,
        identity_provider_id: 'idp_1',
        service_account_id: 'sa_1',
      },
    );
    return path === '/oauth/token' ? { body: bearer() } : { status: 404, body: '' };
  };
  const ids = { identityProviderId: 'idp_1', serviceAccountId: 'sa_1', audience: 'openai' };
  const get = openAiCredentials({ source, ...ids, tokenUrl: `${endpoint.url}/oauth/token` });
  assert.equal((await get()).token, 'at-1');
  assert.ok(!inspect(await get()).includes('at-1'));
  assert.ok(!JSON.stringify(await get()).includes('at-1'));
  assert.equal(endpoint.calls.length, 1);
  const { provider, identityProviderId } = openAiWorkloadIdentity({ source, ...ids });
  assert.deepEqual([provider.tokenType, identityProviderId], ['jwt', 'idp_1']);
  assert.ok(await isFor(await provider.getToken(), 'openai'));
});

test('OAuth: a client assertion instead of a secret, for the issuer alone', async () => {
  const issuer = 'https://as.example.org/realms/city';
  const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe';
  endpoint.handle = async ({ headers, fields }) => {
    assert.equal(headers['content-type'], 'application/x-www-form-urlencoded');
    assert.equal(fields['grant_type'], 'client_credentials');
    assert.equal(fields['client_assertion_type'], type);
    assert.equal(fields['scope'], 'traffic.read');
    if (await isFor(fields['client_assertion'], issuer)) return { body: bearer('120') };
    return { status: 400, body: { error: 'invalid_client' } };
  };
  const options = { source, tokenUrl: endpoint.url, scope: 'traffic.read' };
  const { token, expiresAt } = await oauthClientCredentials({ ...options, issuer })();
  assert.equal(token, 'at-1');
  assert.ok(expiresAt > Date.now() + 60_000 && expiresAt < Date.now() + 180_000);
  await assert.rejects(oauthClientCredentials({ ...options, issuer: `${issuer}/` })(), {
    code: 'unauthenticated',
    message: /status 400: invalid_client/,
  });
  const assertion = await oauthClientAssertion(source, issuer);
  assert.equal(assertion.client_assertion_type, type);
  assert.ok(await isFor(assertion.client_assertion, issuer));
});

const STS = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult><Credentials>
    <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/e+c=</SecretAccessKey>
    <SessionToken>t/o+k==</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
  </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;

test('AWS: AssumeRoleWithWebIdentity gives what its SDKs take', async () => {
  endpoint.handle = async ({ fields }) => {
    assert.deepEqual(
      { ...fields, WebIdentityToken: await isFor(fields['WebIdentityToken'], 'sts.amazonaws.com') },
      {
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: ROLE,
        RoleSessionName: 'agent-1',
        DurationSeconds: '900',
        WebIdentityToken: true,
      },
    );
    return { body: STS };
  };
  const options = { source, roleArn: ROLE, stsUrl: endpoint.url, sessionName: 'agent-1' };
  const get = awsWebIdentity(options);
  assert.deepEqual(await get(), {
    accessKeyId: 'ASIA1',
    secretAccessKey: 's/e+c=',
    sessionToken: 't/o+k==',
    expiration: new Date('2099-01-01T00:00:00Z'),
  });
  await get();
  assert.equal(endpoint.calls.length, 1);
});

test('AWS: what STS refuses comes with its code; answers that are not as published are not taken', async () => {
  const options = { source, roleArn: ROLE, stsUrl: endpoint.url };
  const get = awsWebIdentity(options);
  const error = '<Error><Code>ExpiredTokenException</Code><Message>Token expired</Message></Error>';
  endpoint.handle = () => ({ status: 400, body: error });
  await assert.rejects(get(), { message: /status 400: ExpiredTokenException: Token expired/ });
  for (const broken of [
    STS.replace('<SessionToken>t/o+k==</SessionToken>', ''),
    STS.replace('ASIA1', 'A&amp;B'),
    STS.replace('ASIA1', '<b>A</b>'),
    STS.replace('</Credentials>', '</Credentials><Credentials></Credentials>'),
    STS.replace('2099-01-01T00:00:00Z', 'soon'),
  ]) {
    endpoint.handle = () => ({ body: broken });
    await assert.rejects(get(), { code: 'unavailable', message: /answer: / });
  }
  for (const [more, named] of [
    [{ durationSeconds: 899 }, /durationSeconds/],
    [{ sessionName: 'a b' }, /sessionName/],
    [{ stsUrl: 'http://sts.example.org' }, /stsUrl: must be https/],
    [{ roleArn: '' }, /roleArn/],
  ] as const) {
    assert.throws(() => awsWebIdentity({ ...options, ...more }), { message: named });
  }
  assert.throws(() => awsWebIdentity({ source, roleArn: ROLE }), /region/);
  assert.throws(() => awsWebIdentity({ source, roleArn: ROLE, region: 'x.org/#' }), /region/);
});

test('Vault: the jwt login, with its namespace, and its words when it refuses', async () => {
  endpoint.handle = async ({ path, headers, fields }) => {
    assert.equal(path, '/v1/auth/kubernetes/jwt/login');
    assert.deepEqual(
      [headers['x-vault-request'], headers['x-vault-namespace'], fields['role']],
      ['true', 'team-a', 'agent'],
    );
    if (!(await isFor(fields['jwt'], 'vault'))) {
      return { status: 400, body: { errors: ['error validating token: invalid audience (aud)'] } };
    }
    return { body: { auth: { client_token: 'hvs.1', lease_duration: 60, renewable: true } } };
  };
  const options = { source, address: `${endpoint.url}/`, role: 'agent', namespace: 'team-a' };
  const more = { mount: 'kubernetes/jwt', audience: 'vault' };
  const login = vaultLogin({ ...options, ...more });
  const [{ token, expiresAt }] = await Promise.all([login(), login()]);
  assert.equal(token, 'hvs.1');
  assert.ok(expiresAt > Date.now() + 30_000 && expiresAt <= Date.now() + 60_000);
  assert.equal(endpoint.calls.length, 1);
  await assert.rejects(vaultLogin({ ...options, ...more, audience: 'other' })(), {
    code: 'unauthenticated',
    message: /invalid audience \(aud\)/,
  });
  assert.throws(() => vaultLogin({ ...options, audience: 'v', mount: '../sys' }), /mount/);
  assert.throws(() => vaultLogin({ ...options, audience: '' }), /audience/);
});

test('what comes back is bounded, not followed elsewhere, and repeats no token', async () => {
  const options = { source, tokenUrl: endpoint.url, issuer: 'as' };
  const get = oauthClientCredentials(options);
  const elsewhere = new TokenEndpoint(() => ({ body: bearer() }));
  await elsewhere.start();
  const replies: readonly (readonly [TokenReply | 'echo', object])[] = [
    [{ status: 307, headers: { location: elsewhere.url }, body: '' }, { message: /status 307/ }],
    [{ body: 'x'.repeat(70_000) }, { code: 'unavailable', message: /65536 bytes/ }],
    [{ body: '<html>' }, { code: 'unavailable' }],
    [{ body: { expires_in: 1 } }, { message: /without access_token/ }],
    [{ body: { access_token: 'a b', expires_in: 1 } }, { message: /without access_token/ }],
    [{ body: bearer(0) }, { message: /expires_in/ }],
    [{ body: bearer(-1) }, { message: /expires_in/ }],
    [
      { status: 503, body: '' },
      { code: 'unavailable', message: /status 503/ },
    ],
    [{ status: 403, body: {} }, { code: 'permission-denied' }],
    ['echo', { message: /^OAuth token request: refused with status 400: e: got …\.? ?$/ }],
  ];
  for (const [reply, expected] of replies) {
    endpoint.handle = ({ fields }) => {
      if (reply !== 'echo') return reply;
      const description = `got ${fields['client_assertion']}\n`;
      return { status: 400, body: { error: 'e', error_description: description } };
    };
    await assert.rejects(get(), expected);
  }
  assert.equal(elsewhere.calls.length, 0);
  elsewhere.close();
  endpoint.close();
  await assert.rejects(get(), { code: 'unavailable', message: /no answer: ECONN/ });
});
