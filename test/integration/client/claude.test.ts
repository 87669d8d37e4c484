// Credentials for the Claude API against a server that enforces what is published of the exchange.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import { claudeCredentials } from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { ClaudeApi } from '../../fakes/claude-api.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { JwtSigner, type TokenShape } from '../../fakes/jwt-signer.ts';

const AGENT = 'spiffe://example.org/ns/agents/sa/researcher';
const signer = new JwtSigner('key-1', 'RS256');
const RULE = {
  id: 'fdrl_1',
  organization: '11111111-2222-3333-4444-555555555555',
  serviceAccount: 'svac_1',
  workspaces: ['wrkspc_1', 'wrkspc_2'],
  issuer: 'https://oidc.example.org',
  audience: 'https://api.anthropic.com',
  subjectPrefix: 'spiffe://example.org/ns/agents/*',
  maxLifeSeconds: 3600,
  tokenLifeSeconds: 600,
};
const IDS = {
  federationRuleId: RULE.id,
  organizationId: RULE.organization,
  serviceAccountId: RULE.serviceAccount,
  workspaceId: 'wrkspc_1',
};

let api: ClaudeApi;
let clock: FakeClock;
let fetched: number;
let tokens: string[];

beforeEach(async () => {
  api = new ClaudeApi(RULE, signer.keyOf);
  await api.start();
  clock = new FakeClock(Date.now());
  fetched = 0;
  tokens = [];
});
afterEach(() => api.close());

function sourceOf(shape: TokenShape = {}, subject = AGENT, by = signer) {
  return {
    fetchNew: async ({ audience }: { audience: string | readonly string[] }) => {
      fetched += 1;
      const token = await by.token(subject, String(audience), shape);
      tokens.push(token);
      return { token };
    },
  };
}

function credentials(source = sourceOf(), more: object = {}) {
  return claudeCredentials({ source, baseUrl: api.url, clock, ...IDS, ...more });
}

test('a JWT-SVID becomes an access token, which is kept until shortly before it expires', async () => {
  const get = credentials();
  const [one, two] = await Promise.all([get(), get()]);
  assert.deepEqual(one, two);
  assert.equal(one.token, 'sk-ant-oat01-1');
  assert.equal(one.expiresAt, Math.floor((clock.now() + 600_000) / 1000));
  assert.deepEqual([api.calls.length, fetched], [1, 1]);
  clock.jump(479_000);
  assert.equal((await get()).token, 'sk-ant-oat01-1');
  clock.jump(2000);
  assert.equal((await get()).token, 'sk-ant-oat01-2');
  assert.equal((await get({ forceRefresh: true })).token, 'sk-ant-oat01-3');
});

test('a token with a jti is shown once, retries included', async () => {
  let made = 0;
  const withId = {
    fetchNew: async () => {
      made += 1;
      const shape = { claims: { jti: `id-${made}` } };
      return { token: await signer.token(AGENT, RULE.audience, shape) };
    },
  };
  const get = credentials(withId);
  await get();
  await get({ forceRefresh: true });
  assert.deepEqual([made, api.history], [2, []]);
  const reused = await signer.token(AGENT, RULE.audience, { claims: { jti: 'id-2' } });
  await assert.rejects(credentials({ fetchNew: async () => ({ token: reused }) })(), /jti/);
  assert.deepEqual(api.history, ['jti_reused']);
});

const now = Math.floor(Date.now() / 1000);
const wrong: readonly (readonly [string, ReturnType<typeof sourceOf>, RegExp])[] = [
  ['kid', sourceOf({ header: { kid: undefined } }), /kid: missing/],
  ['iss', sourceOf({ without: ['iss'] }), /iss: missing/],
  ['iat', sourceOf({ without: ['iat'] }), /iat: missing/],
  ['exp', sourceOf({ without: ['exp'] }), /exp: missing/],
  ['lifetime', sourceOf({ claims: { exp: now + 4000 } }), /exp: \d+ s after iat/],
  ['match_audience', sourceOf({ claims: { aud: 'other' } }), /aud: not the one/],
  ['iss', sourceOf({ claims: { iss: 'https://other.org' } }), /compare the subject/],
  ['match_subject_prefix', sourceOf({}, 'spiffe://example.org/ns/web'), /compare the subject/],
  ['token', sourceOf({}, AGENT, new JwtSigner('key-1', 'RS256')), /issuer's keys/],
  ['token', sourceOf({ claims: { exp: now - 100, iat: now - 200 } }), /compare the subject/],
  ['length', sourceOf({ claims: { padding: 'x'.repeat(16_384) } }), /./],
];

for (const [index, [reason, source, named]] of wrong.entries()) {
  test(`refused ${index}: ${reason}; the error names what can be seen here`, async () => {
    const thrown = await credentials(source)().then(
      () => undefined,
      (error: unknown) => CodedError.from(error),
    );
    assert.equal(thrown?.code, 'unauthenticated');
    assert.match(thrown?.message ?? '', /^Claude token exchange: refused with status 401/);
    assert.match(thrown?.message ?? '', named);
    assert.match(api.history[0] ?? '', new RegExp(`^${reason}`));
    const shown = inspect(thrown, { depth: 10 });
    for (const token of tokens) assert.ok(!shown.includes(token.slice(-30)));
  });
}

test('the ids count as well', async () => {
  for (const more of [
    { federationRuleId: 'fdrl_2' },
    { organizationId: 'other' },
    { serviceAccountId: undefined },
    { workspaceId: undefined },
    { workspaceId: 'wrkspc_3' },
  ]) {
    await assert.rejects(credentials(sourceOf(), more)(), { code: 'unauthenticated' });
  }
  assert.deepEqual(api.history, [
    'federation_rule_id',
    'organization_id',
    'service_account_id',
    'workspace_id_required',
    'workspace_id',
  ]);
  assert.throws(() => credentials(sourceOf(), { federationRuleId: '' }), /federationRuleId/);
  assert.throws(() => credentials(sourceOf(), { baseUrl: 'http://api.example.org' }), /https/);
});

test('who was cut off has no token any more; who is away costs nothing before expiry', async () => {
  let problem: CodedError | undefined;
  const good = sourceOf();
  const get = credentials({
    fetchNew: async (request) => {
      if (problem !== undefined) throw problem;
      return await good.fetchNew(request);
    },
  });
  const { token } = await get();
  clock.jump(500_000);
  problem = new CodedError('unavailable', 'restarting');
  assert.equal((await get()).token, token);
  api.handle = () => ({ status: 529, body: 'overloaded' });
  problem = undefined;
  assert.equal((await get()).token, token);
  problem = new CodedError('permission-denied', 'no identity issued');
  await assert.rejects(get(), { code: 'permission-denied' });
  problem = new CodedError('unavailable', 'restarting');
  await assert.rejects(get(), { code: 'unavailable' });
});
