// X.509-SVIDs issued per second on one core: the whole path without transport (policy, key checks,
// certificate, signature, audit line in a file, its checkpoints), public points in batches of 32, beside the limit
// no path can pass: the bare P-256 signature, measured in turns with it in the same run.

import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditTrail } from '../src/audit/audit-trail.ts';
import { FileAuditLog } from '../src/audit/file-audit-log.ts';
import { type Clock, systemClock } from '../src/base/clock.ts';
import { silentLogger } from '../src/base/log.ts';
import { AuthorityKeeper } from '../src/issuer/authority/authority-keeper.ts';
import { FileAuthorityStore } from '../src/issuer/authority/file-authority-store.ts';
import { AuthorityView, checkpointSigner } from '../src/issuer/authority/signing-authorities.ts';
import { HeldInventory } from '../src/issuer/held-inventory.ts';
import type { IssuablePod, PodSource } from '../src/issuer/pod-source.ts';
import { KeyRegistry } from '../src/issuer/policy/key-registry.ts';
import { MintLimits } from '../src/issuer/policy/mint-limits.ts';
import { PublishedPods } from '../src/issuer/policy/published-pods.ts';
import { type X509Item, X509Signing } from '../src/issuer/signing/x509-signing.ts';
import { parseSpiffeId, parseTrustDomain } from '../src/spiffe/spiffe-id.ts';
import { type BenchResult, benchResult, inTurns, perSecond, signTimes } from './bench-result.ts';

const NODE = 'node-1';
const PODS = 8192;
const BATCH = 32;
const ROUND = { times: 10, each: BATCH };
const ROUNDS = { warmUp: 15, kept: 100 };

export async function run(clock: Clock = systemClock): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'signet-bench-'));
  try {
    const { signing, items } = await newSigning(directory, clock);
    const caller = { node: NODE, credentialId: 'bench', expiresAt: Number.POSITIVE_INFINITY };
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    let at = 0;
    const issueBatch = () => {
      const results = signing.signBatch(caller, items.slice(at, at + BATCH));
      if (!results.every(({ allowed }) => allowed)) throw new Error('an item was refused');
      at = (at + BATCH) % PODS;
    };
    const rates = inTurns(
      ROUNDS,
      () => perSecond(issueBatch, ROUND),
      () => perSecond(() => signTimes(privateKey, BATCH), ROUND),
    );
    return [benchResult({ name: 'issue', unit: 'X.509-SVIDs/s', ...rates })];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function newSigning(
  directory: string,
  clock: Clock,
): Promise<{ signing: X509Signing; items: readonly X509Item[] }> {
  const trustDomain = parseTrustDomain('example.org');
  const store = new FileAuthorityStore(join(directory, 'authorities'));
  const log = silentLogger;
  const view = new AuthorityView({ trustDomain, store });
  const audit = new AuditTrail({
    audit: new FileAuditLog(join(directory, 'audit.log'), clock),
    trustDomain,
    signer: () => checkpointSigner(view.current.value),
    clock,
    log,
  });
  await new AuthorityKeeper({ trustDomain, store, clock, audit, log }).settle();
  await view.refresh();
  const { value: authorities } = view.current;
  if (authorities === undefined) throw new Error('no authorities');
  const keys = new KeyRegistry();
  keys.setAuthorities(authorities.keyDigests);
  const pods = newPods();
  const published = new PublishedPods();
  for (const podUid of pods.keys()) published.publish(podUid);
  const signing = new X509Signing({
    pods: sourceOf(pods),
    authorities: () => authorities,
    audit,
    clock,
    keys,
    published,
    inventory: new HeldInventory(),
    limits: new MintLimits(clock, { perSecond: 100, burst: 1000 }),
  });
  return { signing, items: [...pods.values()].map(itemOf) };
}

function newPods(): ReadonlyMap<string, IssuablePod> {
  return new Map(
    Array.from({ length: PODS }, (_, index) => {
      const uid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
      return [uid, newPod(uid, index)];
    }),
  );
}

function newPod(uid: string, index: number): IssuablePod {
  return {
    uid,
    namespace: `city-${index % 97}`,
    name: `traffic-controller-${index}`,
    serviceAccount: 'traffic-controller',
    node: NODE,
    phase: 'Running',
    deletionRequestedAt: undefined,
    deletionGraceSeconds: 30,
    version: 1n,
    entries: [
      {
        entryId: '11111111-0000-4000-8000-000000000000',
        policy: 'agents',
        spiffeId: parseSpiffeId(
          `spiffe://example.org/ns/city-${index % 97}/sa/controller-${index}`,
        ),
        hint: '',
        dnsNames: [],
        commonName: '',
        x509TtlSeconds: 0,
        jwtTtlSeconds: 0,
        federatesWith: [],
        jwtClaims: {},
        jwtIncludeJti: false,
        limits: {
          jwtDenied: false,
          sdsDenied: false,
          allowedAudiences: undefined,
          maxX509TtlSeconds: 0,
          maxJwtTtlSeconds: 0,
        },
      },
    ],
    refusal: '',
    volumes: [{ name: 'spiffe', attributes: {} }],
  };
}

function sourceOf(pods: ReadonlyMap<string, IssuablePod>): PodSource {
  return {
    pod: (uid) => pods.get(uid),
    podsOn: () => pods.values(),
    version: 1n,
    restrictionVersion: 0n,
    isFresh: () => true,
    onChange: () => () => {},
  };
}

/** As it arrives over the node channel: a new key for each pod. */
function itemOf({ uid, entries }: IssuablePod): X509Item {
  const [entry] = entries;
  if (entry === undefined) throw new Error('a pod without an entry');
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    podUid: uid,
    entryId: entry.entryId,
    expectedSpiffeId: entry.spiffeId,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).subarray(-65),
  };
}

if (import.meta.main) for (const result of await run()) console.log(JSON.stringify(result));
