// client/examples: each is run as it stands and prints what it says that it prints; and each export of
// the package is in one of them, or in a block of client/README.md that is run.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import * as client from '../../../client/src/index.ts';
import { blockWith, RUN } from '../../conformance/npm/readme-blocks.ts';
import { JwtSigner } from '../../fakes/jwt-signer.ts';
import { TokenEndpoint, type TokenReply } from '../../fakes/token-endpoint.ts';
import { CLIENT_ID, startTwoAgents } from './two-agents.ts';

const EXAMPLES = join(import.meta.dirname, '../../../client/examples');
const LIMIT_MS = 60_000;
const names = readdirSync(EXAMPLES).filter((name) => name.endsWith('.ts'));
const read = (name: string) => readFileSync(join(EXAMPLES, name), 'utf8');

const agents = await startTwoAgents();
const signer = new JwtSigner('key-1');
const { api } = agents.client;
const bundles = { 'spiffe://example.org': await signer.bundle() };
api.jwtBundles.set({ bundles });
api.x509Bundles.set({ bundles: { 'spiffe://example.org': agents.ca.certificate } });
api.validation = { spiffeId: CLIENT_ID };
const tokens = new Map<string, string>();
for (const audience of ['reports', 'sts.amazonaws.com', 'vault', 'https://api.anthropic.com']) {
  tokens.set(audience, await signer.token(CLIENT_ID, audience));
}
for (const audience of ['openai', 'https://as.example.org']) {
  tokens.set(audience, await signer.token(CLIENT_ID, audience));
}
api.jwtSvid = ({ audience: [audience = ''] }) => ({
  svids: [{ spiffeId: CLIENT_ID, svid: tokens.get(audience) ?? '' }],
});
const authority = new TokenEndpoint(({ path }) => answerOf(path));
await authority.start();
after(async () => {
  authority.close();
  await agents.stop();
});

/** What each of the others gives, by where it is asked. */
function answerOf(path: string): TokenReply {
  const expiration = new Date(Date.now() + 900_000).toISOString();
  switch (path) {
    case '/sts': {
      const members = `<AccessKeyId>ASIA-web</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>${expiration}</Expiration>`;
      return { body: `<R><Credentials>${members}</Credentials></R>` };
    }
    case '/aws/sessions': {
      const credentials = { accessKeyId: 'ASIA-anywhere', secretAccessKey: 's', sessionToken: 't' };
      const body = { credentialSet: [{ credentials: { ...credentials, expiration } }] };
      return { status: 201, body };
    }
    case '/v1/auth/jwt/login':
      return { body: { auth: { client_token: 'hvs-token', lease_duration: 600 } } };
    case '/v1/oauth/token':
    case '/oauth/token':
      return { body: { access_token: 'access-token', token_type: 'Bearer', expires_in: 600 } };
    default:
      return { status: 404, body: '' };
  }
}

for (const name of names) {
  test(`${name} prints what it says`, async () => {
    const said = [...read(name).matchAll(/^\/\/ → (.*)$/gm)].map(([, line]) => line);
    assert.ok(said.length > 0, 'it says nothing');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=source', join(EXAMPLES, name)],
      {
        env: {
          PATH: process.env['PATH'],
          SPIFFE_ENDPOINT_SOCKET: api.address,
          AUTHORITY: authority.url,
        },
        timeout: LIMIT_MS,
      },
    );
    assert.deepEqual(stdout.trimEnd().split('\n'), said);
  });
}

test('each export of the package is in an example that is run', () => {
  const texts = [...names.map(read), ...Object.values(RUN).map(blockWith)];
  const imported = texts.flatMap((text) => {
    const [, list = ''] = /import \{([^}]*)\} from '@signet\/client';/.exec(text) ?? [];
    const rest = text.slice(text.indexOf("from '@signet/client'"));
    // Imported and used, not imported alone.
    return list
      .split(',')
      .map((one) => one.trim())
      .filter((one) => new RegExp(`\\b${one}\\b`).test(rest));
  });
  const missing = Object.keys(client).filter((name) => !imported.includes(name));
  assert.deepEqual(missing, []);
});
