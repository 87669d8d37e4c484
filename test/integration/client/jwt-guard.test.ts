// A guard for bearer JWT-SVIDs before plain http and fastify, over real connections.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, test } from 'node:test';
import { fastify } from 'fastify';
import {
  AccessGuard,
  type AccessRecord,
  JwtGuard,
  jwtSvidOf,
  oneOf,
  readAccessPolicy,
} from '../../../client/src/index.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { JwtSigner } from '../../fakes/jwt-signer.ts';

const AGENT = 'spiffe://example.org/agent';
const READER = 'spiffe://example.org/reader';
const signer = new JwtSigner('one');
let isKnown = true;
const source = {
  clock: systemClock,
  jwtAuthoritiesOf: (trustDomain: string) => {
    if (!isKnown) throw new CodedError('permission-denied', 'no identity issued');
    return trustDomain === 'example.org' ? new Map([['one', signer.publicKey]]) : undefined;
  },
};
const guard = new JwtGuard({ source, audience: 'reports', authorize: oneOf([AGENT, READER]) });
const records: AccessRecord[] = [];
const access = new AccessGuard({
  policy: readAccessPolicy(`apiVersion: signet.dev/v1alpha1
kind: AccessPolicy
metadata: {name: p}
operations: [read]
rules: [{name: r, peers: ["${READER}"], operations: [read]}]
`),
  operationOf: () => 'read',
  onDecision: (record) => {
    records.push(record);
  },
  peerOf: guard.peerOf,
  challenge: 'Bearer',
});

const plain = createServer((request, response) => {
  if (request.url === '/access') {
    void access.admit(request, response).then((peer) => {
      if (peer !== undefined) response.end(`${peer} ${jwtSvidOf(request).spiffeId}`);
    });
  } else {
    const svid = guard.admit(request, response);
    if (svid !== undefined) response.end(`${svid.spiffeId} ${jwtSvidOf(request).keyId}`);
  }
});
await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
const app = fastify();
app.addHook('onRequest', (request, reply) =>
  (request.url === '/access' ? access : guard).onRequest(request, reply),
);
app.get('/', ({ raw }) => `${jwtSvidOf(raw).spiffeId} ${jwtSvidOf(raw).keyId}`);
app.get('/access', ({ raw }) => `${READER} ${jwtSvidOf(raw).spiffeId}`);
await app.listen({ host: '127.0.0.1', port: 0 });
const ports = {
  http: (plain.address() as AddressInfo).port,
  fastify: (app.server.address() as AddressInfo).port,
};
after(async () => {
  plain.close();
  plain.closeAllConnections();
  await app.close();
});

type Answer = { readonly status: number; readonly challenge: string | null; readonly text: string };

async function ask(port: number, authorization?: string, path = '/'): Promise<Answer> {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
  const { status } = response;
  return {
    status,
    challenge: response.headers.get('www-authenticate'),
    text: await response.text(),
  };
}

for (const [server, port] of Object.entries(ports)) {
  test(`${server}: a token for this audience passes, and the handler knows whose it is`, async () => {
    const token = await signer.token(AGENT, 'reports');
    assert.deepEqual(await ask(port, `Bearer ${token}`), {
      status: 200,
      challenge: null,
      text: `${AGENT} one`,
    });
    assert.equal((await ask(port, `bearer ${token}`)).status, 200);
  });

  test(`${server}: without a token there is a challenge and no error`, async () => {
    for (const authorization of [undefined, 'Basic YTpi', 'Bearer', 'Bearer a b']) {
      const { status, challenge, text } = await ask(port, authorization);
      assert.deepEqual([status, challenge], [401, 'Bearer']);
      assert.deepEqual(JSON.parse(text), { error: 'unauthenticated' });
    }
  });

  test(`${server}: each broken rule is named, and the token is not repeated`, async () => {
    const now = Math.floor(Date.now() / 1000);
    const broken: readonly (readonly [RegExp, string])[] = [
      [/aud: another audience/, await signer.token(AGENT, 'other')],
      [/exp: expired/, await signer.token(AGENT, 'reports', { claims: { exp: now - 100 } })],
      [/nbf: not valid yet/, await signer.token(AGENT, 'reports', { claims: { nbf: now + 100 } })],
      [/exp: missing/, await signer.token(AGENT, 'reports', { without: ['exp'] })],
      [/kid: no JWT authority/, await signer.token('spiffe://evil.org/a', 'reports')],
      [/kid/, await new JwtSigner('x').token(AGENT, 'reports')],
      [/signature: does not verify/, await new JwtSigner('one').token(AGENT, 'reports')],
      [/typ/, await signer.token(AGENT, 'reports', { header: { typ: 'at+jwt' } })],
      [/token/, 'a.b.c'],
    ];
    for (const [rule, token] of broken) {
      const { status, challenge, text } = await ask(port, `Bearer ${token}`);
      assert.equal(status, 401);
      assert.match(challenge ?? '', /^Bearer error="invalid_token", error_description="[^"\\]+"$/);
      assert.match(challenge ?? '', rule);
      assert.match(text, rule);
      assert.ok(token === 'a.b.c' || !text.includes(token.slice(-20)));
    }
  });

  test(`${server}: a good token of somebody else is 403`, async () => {
    const { status, challenge } = await ask(
      port,
      `Bearer ${await signer.token(`${AGENT}/x`, 'reports')}`,
    );
    assert.equal(status, 403);
    assert.match(challenge ?? '', /insufficient_scope/);
  });

  test(`${server}: without authorities nobody passes, and no token is called bad`, async () => {
    isKnown = false;
    try {
      const token = await signer.token(AGENT, 'reports');
      const { status, challenge } = await ask(port, `Bearer ${token}`);
      assert.deepEqual([status, challenge], [503, null]);
    } finally {
      isKnown = true;
    }
  });

  test(`${server}: two Authorization headers are refused, whichever is good`, async () => {
    const token = await signer.token(AGENT, 'reports');
    const head = await rawRequest(port, ['Bearer x', `Bearer ${token}`]);
    assert.match(head, /^HTTP\/1\.1 401 /);
    assert.match(head, /more than one header/);
  });

  test(`${server}: an access policy decides about the token's SPIFFE ID`, async () => {
    records.length = 0;
    const of = async (id: string) => `Bearer ${await signer.token(id, 'reports')}`;
    assert.equal((await ask(port, await of(READER), '/access')).text, `${READER} ${READER}`);
    const other = await ask(port, await of(AGENT), '/access');
    assert.deepEqual([other.status, other.challenge], [403, null]);
    const nobody = await ask(port, undefined, '/access');
    assert.deepEqual([nobody.status, nobody.challenge], [401, 'Bearer']);
    assert.deepEqual(
      records.map(({ peer, reason }) => [peer, reason]),
      [
        [READER, ''],
        [AGENT, 'NoRule'],
        ['', 'NoPeer'],
      ],
    );
  });
}

test('there is no guard without an audience', () => {
  assert.throws(() => new JwtGuard({ source, audience: '', authorize: oneOf([AGENT]) }), {
    code: 'invalid-argument',
    message: /audience/,
  });
  assert.throws(() => jwtSvidOf(Object.create(null)), { code: 'failed-precondition' });
});

async function rawRequest(port: number, authorizations: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const lines = authorizations.map((value) => `Authorization: ${value}\r\n`).join('');
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines}\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}
