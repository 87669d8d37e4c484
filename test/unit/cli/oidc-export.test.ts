// The documents as files: what is in them, that nobody meets half of them, and that they never become
// another issuer's.

import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { emptyState, readState } from '../../../src/authorities/authority-state.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { exportDocuments, MAX_EXPORT_AGE_SECONDS } from '../../../src/cli/oidc/export.ts';
import { oidcCommand } from '../../../src/cli/oidc.ts';
import { AuthorityKeeper } from '../../../src/issuer/authority/authority-keeper.ts';
import { DEFAULT_SETTINGS } from '../../../src/issuer/authority/authority-plan.ts';
import { FileAuthorityStore } from '../../../src/issuer/authority/file-authority-store.ts';
import { parseIssuerUrl } from '../../../src/spiffe/jwt-svid/issuer-url.ts';
import { JWT_KEYS_MAX_AGE_SECONDS } from '../../../src/spiffe/jwt-svid/oidc-documents.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../issuer/fixtures.ts';
import { runCommand } from './run-command.ts';

const ISSUER = parseIssuerUrl('https://oidc.example.org/a', 'issuer');
let root: string;
let to: string;
let store: FileAuthorityStore;
let keeper: AuthorityKeeper;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'signet-oidc-'));
  to = join(root, 'public');
  store = new FileAuthorityStore(join(root, `authorities-${TRUST_DOMAIN}`));
  keeper = new AuthorityKeeper({
    trustDomain: TRUST_DOMAIN,
    store,
    clock: systemClock,
    audit: new MemoryAuditLog(),
    log: silentLogger,
    jwtKeyType: 'ec-p256',
    isAlone: true,
  });
  await keeper.settle();
});
afterEach(() => rmSync(root, { recursive: true }));

const run = async (...args: readonly string[]) =>
  await runCommand(oidcCommand, [
    'export',
    `--run-dir=${root}`,
    `--trust-domain=${TRUST_DOMAIN}`,
    `--jwt-issuer=${ISSUER}`,
    `--to=${to}`,
    ...args,
  ]);
const json = (path: string) => JSON.parse(readFileSync(join(to, path), 'utf8')) as object;

test('discovery and keys of a run, for whoever serves them, and again only when they change', async () => {
  const { code, out } = await run();
  assert.equal(code, 0);
  assert.match(out, /^issuer https:\/\/oidc\.example\.org\/a, 1 keys\n/);
  assert.match(out, /Write again within 45 minutes, and upload the keys first\./);
  const { issuer, jwks_uri: uri } = json('.well-known/openid-configuration') as Record<
    string,
    string
  >;
  assert.deepEqual([issuer, uri], [ISSUER, `${ISSUER}/keys`]);
  assert.match(JSON.stringify(json('keys')), /"use":"sig","alg":"ES256"/);
  assert.doesNotMatch(readFileSync(join(to, 'keys'), 'utf8'), /"d":/);
  assert.equal(statSync(join(to, 'keys')).mode & 0o777, 0o644);
  assert.match((await run()).out, /nothing changed/);
  await keeper.perform({ verb: 'prepare', kind: 'jwt' });
  await keeper.settle();
  const { keyIds, changed } = JSON.parse((await run('-o', 'json')).out) as {
    keyIds: string[];
    changed: boolean;
  };
  assert.deepEqual([keyIds.length, changed], [2, true]);
});

test('a link that somebody left is not written through, and documents of another issuer stay', async () => {
  const victim = join(root, 'victim');
  writeFileSync(victim, 'mine');
  mkdirSync(to);
  symlinkSync(victim, join(to, 'keys.new'));
  symlinkSync(victim, join(to, 'keys'));
  await run();
  assert.equal(readFileSync(victim, 'utf8'), 'mine');
  const other = ['--jwt-issuer=https://other.example.org'];
  await assert.rejects(run(...other), {
    code: 'failed-precondition',
    message: /openid-configuration: is of another issuer/,
  });
});

test('nothing is written without keys, or of a state that cannot be read', async () => {
  const state = readState({ ...emptyState(TRUST_DOMAIN) }, TRUST_DOMAIN);
  assert.throws(() => exportDocuments(to, ISSUER, state), { code: 'failed-precondition' });
  await assert.rejects(run(`--run-dir=${root}/none`), { code: 'not-found' });
  assert.throws(() => statSync(to));
  assert.throws(() => statSync(join(root, 'none')), 'it makes no directory of authorities');
});

test('an export may get as old as a key is published before it signs, less what readers keep', async () => {
  const { prepublish } = DEFAULT_SETTINGS.jwt;
  assert.equal(MAX_EXPORT_AGE_SECONDS + JWT_KEYS_MAX_AGE_SECONDS, prepublish);
  await assert.rejects(run('--every=46m'), {
    code: 'invalid-argument',
    message: /--every: at most 45m/,
  });
  await assert.rejects(run('--jwt-issuer=https://a.test/'), { message: /--jwt-issuer: must be/ });
});

test('again and again, until interrupted; what fails is tried again', async () => {
  const stop = new AbortController();
  const out: string[] = [];
  const err: string[] = [];
  const waits: number[] = [];
  const turns = [
    async () => {},
    async () => {
      await keeper.perform({ verb: 'prepare', kind: 'jwt' });
      await keeper.settle();
    },
    async () => rmSync(join(root, `authorities-${TRUST_DOMAIN}`, 'state.json'), { force: true }),
    async () => {
      for (const name of ['state']) await store.read(name as 'state');
      stop.abort();
    },
  ];
  const code = await oidcCommand(
    [
      'export',
      `--run-dir=${root}`,
      `--trust-domain=${TRUST_DOMAIN}`,
      `--jwt-issuer=${ISSUER}`,
      `--to=${to}`,
      '--every=30m',
    ],
    {
      signal: stop.signal,
      clock: {
        now: () => Date.now(),
        sleep: async (ms) => {
          waits.push(ms);
          await turns.shift()?.();
        },
      },
      log: silentLogger,
      out: (line) => out.push(line),
      err: (line) => err.push(line),
      environment: {},
    },
  );
  assert.equal(code, 0);
  assert.equal(out.length, 2);
  assert.match(out[1] ?? '', /Z {2}2 keys$/);
  assert.match(err.join('\n'), /not-found: there are no authorities yet/);
  assert.deepEqual(waits, [1_800_000, 1_800_000, 1_800_000, 10_000]);
});
