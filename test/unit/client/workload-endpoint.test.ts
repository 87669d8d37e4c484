import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { workloadEndpoint } from '../../../client/src/workload-endpoint.ts';
import { CodedError } from '../../../src/base/errors.ts';

const accepted = [
  ['WE-11: three slashes', 'unix:///run/agent.sock', 'unix:///run/agent.sock'],
  ['WE-11: one slash', 'unix:/run/agent.sock', 'unix:///run/agent.sock'],
  ['WE-11: dots and dashes stay as they are', 'unix:///a-b/../c_d.e', 'unix:///a-b/../c_d.e'],
  ['WE-11: a path that begins with two slashes', 'unix:////run/s', 'unix:////run/s'],
  ['WE-11: a path of 107 bytes', `unix:///${'a'.repeat(106)}`, `unix:///${'a'.repeat(106)}`],
  ['WE-10: schemes are case-insensitive', 'UNIX:/run/s', 'unix:///run/s'],
  ['WE-12: IPv4', 'tcp://127.0.0.1:8000', 'ipv4:127.0.0.1:8000'],
  ['WE-12: IPv6', 'tcp://[::1]:65535', 'ipv6:[::1]:65535'],
] as const;

for (const [name, address, target] of accepted) {
  test(`${name} is accepted`, () => {
    assert.equal(workloadEndpoint(address, {}), target);
  });
}

const refused = [
  ['WE-10: no scheme', '/run/agent.sock'],
  ['WE-10: another scheme', 'http://127.0.0.1:80'],
  ['WE-10: a scheme named as an object member', 'constructor:/x'],
  ['WE-11: an authority', 'unix://run/agent.sock'],
  ['WE-11: an authority without a path', 'unix://run'],
  ['WE-11: a relative path', 'unix:run/agent.sock'],
  ['WE-11: no path', 'unix:'],
  ['WE-11: an empty path', 'unix://'],
  ['WE-11: only the root', 'unix:///'],
  ['WE-11: a directory', 'unix:///run/'],
  ['WE-11: a query', 'unix:///run/s?x=1'],
  ['WE-11: an empty query', 'unix:///run/s?'],
  ['WE-11: a fragment', 'unix:///run/s#f'],
  ['WE-11: percent-encoding, which peers read differently', 'unix:///run/%73'],
  ['WE-11: a NUL', 'unix:///run/s\0x'],
  ['WE-11: a line break', 'unix:///run/s\n'],
  ['WE-11: a space', 'unix:///run/my s'],
  ['WE-11: a path of 108 bytes', `unix:///${'a'.repeat(107)}`],
  ['WE-11: user information', 'unix://u@/run/s'],
  ['WE-12: a DNS name', 'tcp://localhost:8000'],
  ['WE-12: a path', 'tcp://127.0.0.1:8000/'],
  ['WE-12: a query', 'tcp://127.0.0.1:8000?x'],
  ['WE-12: user information', 'tcp://u@127.0.0.1:8000'],
  ['WE-12: no port', 'tcp://127.0.0.1'],
  ['WE-12: an empty port', 'tcp://127.0.0.1:'],
  ['WE-12: port 0', 'tcp://127.0.0.1:0'],
  ['WE-12: port 65536', 'tcp://127.0.0.1:65536'],
  ['WE-12: a short IPv4', 'tcp://127.1:80'],
  ['WE-12: a decimal IPv4', 'tcp://2130706433:80'],
  ['WE-12: IPv6 without brackets', 'tcp://::1:80'],
  ['WE-12: IPv4 in brackets', 'tcp://[127.0.0.1]:80'],
  ['WE-12: a zone', 'tcp://[fe80::1%eth0]:80'],
  ['WE-12: no authority', 'tcp:127.0.0.1:80'],
] as const;

for (const [name, address] of refused) {
  test(`${name} is refused`, () => {
    assert.throws(() => workloadEndpoint(address, {}), { code: 'invalid-argument' });
  });
}

test('WE-09: without configuration the environment variable counts', () => {
  const environment = { SPIFFE_ENDPOINT_SOCKET: 'unix:///from/environment' };
  assert.equal(workloadEndpoint(undefined, environment), 'unix:///from/environment');
  assert.equal(workloadEndpoint('unix:///configured', environment), 'unix:///configured');
});

test('WE-09: neither configuration nor environment is an error that names the variable', () => {
  for (const environment of [{}, { SPIFFE_ENDPOINT_SOCKET: '' }]) {
    assert.throws(() => workloadEndpoint(undefined, environment), /SPIFFE_ENDPOINT_SOCKET/);
  }
});

test('WE-11, WE-12: any text gives a target of one exact shape, or invalid-argument', () => {
  const part = fc.constantFrom(
    'unix',
    'tcp',
    ':',
    '/',
    '//',
    '1.2.3.4',
    '[::1]',
    ':80',
    'a',
    '%',
    '?',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(part).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (address) => {
      try {
        assert.match(
          workloadEndpoint(address, {}),
          /^(?:unix:\/\/\/[!-~]*[!-.0-~]|ipv4:[0-9.]+:\d+|ipv6:\[[0-9a-f:.]+\]:\d+)$/i,
        );
      } catch (thrown) {
        if (!(thrown instanceof CodedError)) throw thrown;
        assert.equal(thrown.code, 'invalid-argument');
      }
    }),
    { numRuns: 5000 },
  );
});
