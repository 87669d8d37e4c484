// The official SDK of the Claude API, unmodified, with nothing but an identity: our credentials, and the
// JWT-SVID file that it reads by itself.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ClaudeCredentials, claudeCredentials, JwtSource } from '../../../client/src/index.ts';
import { ClaudeApi } from '../../fakes/claude-api.ts';
import { FakeWorkloadApi } from '../../fakes/fake-workload-api.ts';
import { JwtSigner } from '../../fakes/jwt-signer.ts';
import { importInstalled } from './installed.ts';

const AGENT = 'spiffe://example.org/ns/agents/sa/researcher';
const AUDIENCE = 'https://api.anthropic.com';
const IDS = {
  federationRuleId: 'fdrl_1',
  organizationId: '11111111-2222-3333-4444-555555555555',
  serviceAccountId: 'svac_1',
};
const RULE = {
  id: IDS.federationRuleId,
  organization: IDS.organizationId,
  serviceAccount: IDS.serviceAccountId,
  workspaces: ['default'],
  issuer: 'https://oidc.example.org',
  audience: AUDIENCE,
  subjectPrefix: AGENT,
  maxLifeSeconds: 3600,
  tokenLifeSeconds: 600,
};

/** What is used of the SDK here. */
type Sdk = new (options: {
  readonly credentials?: ClaudeCredentials;
  readonly baseURL: string;
  readonly maxRetries: number;
}) => {
  readonly messages: {
    create(request: object): Promise<{ readonly content: readonly { readonly text: string }[] }>;
  };
};

const directory = mkdtempSync(join(tmpdir(), 'signet-claude-'));
const signer = new JwtSigner('key-1', 'RS256');
const workloadApi = new FakeWorkloadApi(join(directory, 's'));
let subject = AGENT;
const tokens = new Map<string, string>();
workloadApi.jwtSvid = ({ audience }) => ({
  svids: [{ spiffeId: subject, svid: tokens.get(`${subject} ${String(audience)}`) ?? '' }],
});
for (const id of [AGENT, `${AGENT}/other`]) {
  tokens.set(`${id} ${AUDIENCE}`, await signer.token(id, AUDIENCE));
}
await workloadApi.start();
const api = new ClaudeApi(RULE, signer.keyOf);
await api.start();
const source = new JwtSource({ address: workloadApi.address });
const { default: Anthropic } = (await importInstalled('@anthropic-ai/sdk')) as { default: Sdk };
const QUESTION = {
  model: 'claude',
  max_tokens: 16,
  messages: [{ role: 'user', content: 'hello' }],
};
after(async () => {
  source.close();
  api.close();
  await workloadApi.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('the SDK calls with our credentials; one exchange serves many calls', async () => {
  const credentials = claudeCredentials({ source, baseUrl: api.url, ...IDS });
  const client = new Anthropic({ credentials, baseURL: api.url, maxRetries: 0 });
  for (let call = 0; call < 3; call += 1) {
    const { content } = await client.messages.create(QUESTION);
    assert.equal(content[0]?.text, 'hello, sk-ant-oat01-1');
  }
  const exchanges = api.calls.filter(({ path }) => path === '/v1/oauth/token');
  assert.equal(exchanges.length, 1);
  assert.deepEqual(api.history, []);
});

test('an identity that the rule is not for gets no answer', async () => {
  subject = `${AGENT}/other`;
  const credentials = claudeCredentials({ source, baseUrl: api.url, ...IDS });
  const client = new Anthropic({ credentials, baseURL: api.url, maxRetries: 0 });
  await assert.rejects(client.messages.create(QUESTION));
  assert.deepEqual(api.history, ['match_subject_prefix']);
  subject = AGENT;
});

test('the SDK alone, by the variables and the file that a pod gets', async () => {
  const file = join(directory, 'token');
  writeFileSync(file, tokens.get(`${AGENT} ${AUDIENCE}`) ?? '');
  const variables = {
    ANTHROPIC_IDENTITY_TOKEN_FILE: file,
    ANTHROPIC_FEDERATION_RULE_ID: IDS.federationRuleId,
    ANTHROPIC_ORGANIZATION_ID: IDS.organizationId,
    ANTHROPIC_SERVICE_ACCOUNT_ID: IDS.serviceAccountId,
  };
  const before = { ...process.env };
  delete process.env['ANTHROPIC_API_KEY'];
  delete process.env['ANTHROPIC_AUTH_TOKEN'];
  Object.assign(process.env, variables);
  try {
    const client = new Anthropic({ baseURL: api.url, maxRetries: 0 });
    const { content } = await client.messages.create(QUESTION);
    assert.match(content[0]?.text ?? '', /^hello, sk-ant-oat01-/);
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
    Object.assign(process.env, before);
  }
});
