import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startProblems } from '../../../src/cli/start-checks.ts';

const VARIABLES: readonly (readonly [string, string])[] = [
  ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
  ['NODE_TLS_REJECT_UNAUTHORIZED', '1'],
  ['NODE_EXTRA_CA_CERTS', '/ca.pem'],
  ['GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', '/ca.pem'],
  ['SSLKEYLOGFILE', '/keys'],
  ['NODE_DEBUG', 'tls'],
  ['NODE_DEBUG_NATIVE', 'tls'],
  ['GRPC_TRACE', 'all'],
  ['GRPC_NODE_TRACE', 'all'],
  ['GRPC_VERBOSITY', 'DEBUG'],
  ['GRPC_VERBOSITY', 'debug'],
  ['GRPC_NODE_VERBOSITY', 'DEBUG'],
  ['http_proxy', 'http://proxy'],
  ['HTTP_PROXY', 'http://proxy'],
  ['https_proxy', 'http://proxy'],
  ['HTTPS_PROXY', 'http://proxy'],
  ['all_proxy', 'http://proxy'],
  ['ALL_PROXY', 'http://proxy'],
  ['grpc_proxy', 'http://proxy'],
];
for (const [name, value] of VARIABLES) {
  test(`${name}=${value} keeps it from starting`, () => {
    const problems = startProblems({ variables: { PATH: '/bin', [name]: value }, execArgv: [] });
    assert.equal(problems.length, 1);
    assert.ok(problems[0]?.startsWith(`${name} is set: `), problems[0]);
    assert.equal(startProblems({ variables: { [name]: '' }, execArgv: [] }).length, 0);
  });
}

const OPTIONS: readonly string[] = [
  '--inspect',
  '--inspect=0.0.0.0:9229',
  '--inspect-brk',
  '--inspect_brk',
  '--inspect-wait',
  '--inspect-port=1',
  '--inspect-publish-uid=http',
  '--debug-port=1',
  '--report-on-signal',
  '--report-uncaught-exception',
  '--heapsnapshot-signal=SIGUSR2',
  '--heapsnapshot-near-heap-limit=1',
  '--heap-prof',
  '--cpu-prof',
  '--tls-keylog=/keys',
  '--trace-tls',
  '--use-openssl-ca',
  '--require=/other.cjs',
  '-r',
  '--import=/other.mjs',
  '--loader=/other.mjs',
  '--experimental-loader=/other.mjs',
];
for (const option of OPTIONS) {
  test(`${option} keeps it from starting, on the command line and in NODE_OPTIONS`, () => {
    assert.equal(startProblems({ variables: {}, execArgv: ['--no-addons', option] }).length, 1);
    for (const text of [option, `--no-addons "${option}"`, `${option} --no-addons`]) {
      const problems = startProblems({ variables: { NODE_OPTIONS: text }, execArgv: [] });
      assert.equal(problems.length, 1, text);
      assert.match(problems[0] ?? '', /^NODE_OPTIONS has -/);
    }
  });
}

test('what an image sets by itself does no harm', () => {
  const variables = {
    PATH: '/bin',
    NODE_VERSION: '24.0.0',
    NODE_ENV: 'production',
    NODE_OPTIONS: '--max-old-space-size=256',
    GRPC_VERBOSITY: 'ERROR',
    no_proxy: 'localhost',
    KUBERNETES_SERVICE_HOST: '10.0.0.1',
  };
  const execArgv = ['--disable-sigusr1', '--disable-proto=throw', '--no-addons'];
  assert.deepEqual(startProblems({ variables, execArgv }), []);
});

test('a value is never told', () => {
  const variables = { HTTPS_PROXY: 'http://user:secret@proxy', NODE_OPTIONS: '--import=secret' };
  const lines = startProblems({ variables, execArgv: ['--require=secret'] });
  assert.equal(lines.length, 3);
  assert.equal(lines.join('\n').includes('secret'), false);
});
