// What the HTTP layer answers before and after a handler, without a connection.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type LogFields, type Logger, silentLogger } from '../../../../src/base/log.ts';
import { createHttpApp } from '../../../../src/transport/http/http-app.ts';
import { DEFAULT_HTTP_LIMITS } from '../../../../src/transport/http/http-limits.ts';
import { type HttpRoute, httpError } from '../../../../src/transport/http/http-route.ts';

const SECRET = 'what nobody outside may read';

const routes: readonly HttpRoute[] = [
  {
    method: 'POST',
    path: '/echo',
    handle: ({ body }) => ({ status: 200, body: JSON.stringify(Buffer.from(body).toString()) }),
  },
  {
    method: 'POST',
    path: '/throws',
    handle: () => {
      throw Object.assign(new Error(SECRET), { statusCode: 500 });
    },
  },
  { method: 'POST', path: '/rejects', handle: async () => await Promise.reject(new Error(SECRET)) },
];

function makeApp(log: Logger = silentLogger) {
  const limits = { ...DEFAULT_HTTP_LIMITS, maxBodyBytes: 16 };
  return createHttpApp({ routes, limits, log }, {});
}

const JSON_HEADERS = { 'content-type': 'application/json' };

async function post(url: string, body: string, headers: Record<string, string> = JSON_HEADERS) {
  return await makeApp().inject({ method: 'POST', url, headers, body });
}

suite('requests', () => {
  test('a body reaches its handler as bytes, unparsed', async () => {
    const response = await post('/echo', '{"a": ');
    assert.equal(response.statusCode, 200);
    assert.equal(response.body, JSON.stringify('{"a": '));
    assert.match(String(response.headers['content-type']), /^application\/json/);
    assert.equal(response.headers['cache-control'], 'no-store');
  });

  test('a media type with parameters is the same', async () => {
    const response = await post('/echo', '1', {
      'content-type': 'application/json; charset=utf-8',
    });
    assert.equal(response.statusCode, 200);
  });

  test('a request without a body has an empty one', async () => {
    assert.equal((await post('/echo', '')).body, '""');
    assert.equal((await post('/echo', '', {})).body, '""');
  });
});

suite('refusals are constant words', () => {
  const cases = [
    ['a body over the cap', 413, '/echo', 'x'.repeat(17), JSON_HEADERS],
    ['another media type', 415, '/echo', 'x', { 'content-type': 'text/plain' }],
    ['no media type', 415, '/echo', 'x', {}],
    ['an unknown path', 404, `/${SECRET}`, '', JSON_HEADERS],
    ['a URL that is none', 400, '/%zz', '', JSON_HEADERS],
    ['a handler that throws', 500, '/throws', '', JSON_HEADERS],
    ['a handler that rejects', 500, '/rejects', '', JSON_HEADERS],
  ] as const;
  for (const [name, status, url, body, headers] of cases) {
    test(name, async () => {
      const response = await post(url, body, headers);
      assert.equal(response.statusCode, status);
      assert.equal(response.body, httpError(status).body);
    });
  }

  test('another method', async () => {
    const response = await makeApp().inject({ method: 'GET', url: '/echo' });
    assert.equal(response.statusCode, 405);
    assert.equal(response.headers['allow'], 'POST');
    assert.equal(response.body, httpError(405).body);
    const head = await makeApp().inject({ method: 'HEAD', url: '/echo?x' });
    assert.equal(head.statusCode, 405);
  });
});

test('what failed is in the log with the route, and never the URL that a peer wrote', async () => {
  const lines: { level: string; fields: LogFields; message: string }[] = [];
  const at = (level: string) => (fields: LogFields, message: string) => {
    lines.push({ level, fields, message });
  };
  const log: Logger = {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: () => log,
  };
  const app = makeApp(log);
  await app.inject({ method: 'POST', url: '/throws?q=peer' });
  await app.inject({ method: 'POST', url: '/peer' });
  const failed = lines.find(({ level }) => level === 'error');
  assert.equal(failed?.fields.path, '/throws');
  assert.ok(failed?.fields.err instanceof Error);
  const answered = lines.filter(({ message }) => message === 'Answered a request');
  assert.deepEqual(
    answered.map(({ fields }) => [fields.path, fields.code]),
    [
      ['/throws', '500'],
      ['none', '404'],
    ],
  );
  assert.ok(!JSON.stringify(lines.map(({ fields }) => fields)).includes('peer'));
});
