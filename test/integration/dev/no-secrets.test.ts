// T-30: a whole run of signet dev at its most talkative, with canaries: no private key, token or secret
// of any kind, in any encoding, is in what it prints or in its audit log.

import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { auditCommand } from '../../../src/cli/audit.ts';
import { runCommand } from '../../unit/cli/run-command.ts';
import { DevProcess, podManifest, policyManifest } from './dev-process.ts';

const CANARY = 'canary-5f1d0c7be2a94d6f8b3e';
const SECRET = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'bootstrap', namespace: 'shop' },
  stringData: { token: CANARY },
};

let dev: DevProcess;
/** What must be in no line. */
const secrets = new Map<string, Uint8Array>();
const printed: string[] = [];

before(() => {
  const web = JSON.parse(podManifest('web'));
  web.spec.containers[0].env = [{ name: 'API_KEY', value: CANARY }];
  dev = new DevProcess({
    'policy.json': policyManifest('all', {
      spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
      jwtIncludeJTI: true,
    }),
    'web.json': JSON.stringify(web),
    'secret.json': JSON.stringify(SECRET),
  });
});
after(async () => await dev.close());

/** The bytes as a text may have them, wherever they begin in what was encoded. */
function formsOf(bytes: Uint8Array): readonly string[] {
  const base64 = [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    const core = text.slice(4, text.length - 4);
    return [core, core.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const hex = Buffer.from(bytes).toString('hex');
  const latin1 = Buffer.from(bytes).toString('latin1');
  const list = bytes.slice(0, 16).join(',');
  return [...base64, hex, hex.toUpperCase(), latin1, list].map((form) => form.slice(0, 40));
}

function leaksIn(text: string): readonly string[] {
  return [...secrets]
    .filter(([, bytes]) => formsOf(bytes).some((form) => text.includes(form)))
    .map(([name]) => name);
}

function keepKey(name: string, pkcs8: Uint8Array): void {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  const { d = '', p, q } = key.export({ format: 'jwk' });
  for (const [part, value] of Object.entries({ d, p, q })) {
    if (value !== undefined) secrets.set(`${name} ${part}`, Buffer.from(value, 'base64url'));
  }
}

function keepAuthorityKeys(): void {
  const directory = join(dev.runDir, 'authorities-example.org');
  for (const name of readdirSync(directory)) {
    const text = readFileSync(join(directory, name), 'utf8');
    for (const [at, [found]] of [...text.matchAll(/"(MI[0-9A-Za-z+/=]{60,})"/g)].entries()) {
      const der = Buffer.from(found.slice(1, -1), 'base64');
      try {
        keepKey(`${name} ${at}`, der);
      } catch {
        // A certificate.
      }
    }
  }
}

/** Keys and tokens as the pod has them. */
async function use(): Promise<void> {
  const { socket } = await dev.pod('shop/web');
  const workload = dev.workload(socket);
  for await (const { svids } of workload.fetchX509SVID({}, dev.call)) {
    keepKey(`workload ${secrets.size}`, svids[0]?.x509SvidKey ?? assert.fail());
    break;
  }
  const { svids } = await workload.fetchJWTSVID({ audience: ['bank'] }, dev.call);
  const token = svids[0]?.svid ?? assert.fail();
  const [, claims = '', signature = ''] = token.split('.');
  secrets.set(`claims ${secrets.size}`, Buffer.from(claims, 'base64url'));
  secrets.set(`signature ${secrets.size}`, Buffer.from(signature, 'base64url'));
  await workload.validateJWTSVID({ svid: token, audience: 'bank' }, dev.call);
  await assert.rejects(workload.validateJWTSVID({ svid: `${token}x`, audience: 'b' }, dev.call));
}

test('T-30: nothing that a run of dev mode prints or writes down is a secret', async () => {
  secrets.set('canary', Buffer.from(CANARY));
  for (const round of ['first', 'again']) {
    await dev.start(['--trust-domain', 'example.org', '--log-level', 'debug']);
    await use();
    if (round === 'again') {
      const from = dev.lines.length;
      const restriction = {
        apiVersion: 'signet.dev/v1alpha1',
        kind: 'IdentityRestriction',
        metadata: { name: 'stop' },
        spec: { match: { namespace: 'shop' }, suspend: true, cause: 'test' },
      };
      dev.write('stop.json', JSON.stringify(restriction));
      await dev.line(/^shop\/web  .*Suspended/, from);
    }
    keepAuthorityKeys();
    assert.equal(await dev.end(), 0);
    printed.push(...dev.lines.map(({ text }) => text));
  }
  const audit = readFileSync(join(dev.runDir, 'audit.jsonl'), 'utf8');
  const log = printed.join('\n');
  // The test looks at a run in which something happened, and would see what must not be there.
  assert.ok(secrets.size > 12 && log.includes('"level":"debug"'), `${secrets.size} secrets`);
  for (const event of ['X509SvidIssued', 'JwtSvidIssued', 'RestrictionChanged', 'BundleChanged']) {
    assert.ok(audit.includes(`"event":"${event}"`), event);
  }
  for (const [name, bytes] of secrets) {
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      const planted = Buffer.concat([Buffer.from('x'), bytes, Buffer.from('yz')]).toString(
        encoding,
      );
      assert.ok(leaksIn(`${audit}${planted}`).includes(name), `${name} in ${encoding}`);
    }
  }
  assert.deepEqual(leaksIn(log), []);
  assert.deepEqual(leaksIn(audit), []);
});

test('the audit log of a run is whole, by one command, and says who a token was', async () => {
  const where = ['--run-dir', dev.runDir, '-o', 'json'];
  const { code, out } = await runCommand(auditCommand, ['verify', ...where]);
  const report = JSON.parse(out);
  assert.deepEqual([code, report.problems, report.chains.length], [0, [], 1]);
  assert.ok(report.chains[0].provenTo > 0 && report.chains[0].isProven);
  const query = ['query', '--pod', 'shop/web', '--since', '2020-01-01T00:00:00Z', ...where];
  const { records } = JSON.parse((await runCommand(auditCommand, query)).out);
  const jwt = records.find(({ event }: { event: string }) => event === 'JwtSvidIssued');
  assert.match(jwt.tokenId, /^[0-9a-f-]{36}$/);
  assert.deepEqual(
    [jwt.audience, jwt.decision, jwt.policy, jwt.node],
    [['bank'], 'allowed', 'all', 'dev'],
  );
});
