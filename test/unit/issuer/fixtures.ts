// A valid pod with a valid entry, a source over a map of pods, and an audit log in memory.

import type { AuditEvent, AuditLog } from '../../../src/audit/audit-log.ts';
import { CodedError } from '../../../src/base/errors.ts';
import type {
  IssuableEntry,
  IssuablePod,
  PodChange,
  PodSource,
} from '../../../src/issuer/pod-source.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';

export const TRUST_DOMAIN = parseTrustDomain('example.org');
export const NODE = 'node-1';

export function entry(change: Partial<IssuableEntry> = {}): IssuableEntry {
  return {
    entryId: 'policy-uid',
    policy: 'agents',
    spiffeId: parseSpiffeId('spiffe://example.org/ns/city/sa/agent'),
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
    ...change,
  };
}

export function pod(change: Partial<IssuablePod> = {}): IssuablePod {
  return {
    uid: 'pod-uid',
    namespace: 'city',
    name: 'agent-0',
    serviceAccount: 'agent',
    node: NODE,
    phase: 'Running',
    deletionRequestedAt: undefined,
    deletionGraceSeconds: 30,
    version: 1n,
    entries: [entry()],
    refusal: '',
    volumes: [{ name: 'spiffe', attributes: {} }],
    ...change,
  };
}

export class MapPodSource implements PodSource {
  version = 1n;
  restrictionVersion = 0n;
  fresh = true;
  readonly isFresh = () => this.fresh;
  readonly #pods = new Map<string, IssuablePod>();
  readonly #listeners = new Set<(change: PodChange) => void>();

  constructor(...pods: readonly IssuablePod[]) {
    for (const one of pods) this.#pods.set(one.uid, one);
  }

  pod(uid: string): IssuablePod | undefined {
    return this.#pods.get(uid);
  }

  isGone(uid: string): boolean {
    return !this.#pods.has(uid);
  }

  *podsOn(node: string): Iterable<IssuablePod> {
    for (const one of this.#pods.values()) if (one.node === node) yield one;
  }

  onChange(listener: (change: PodChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(changed: IssuablePod): void {
    this.version += 1n;
    this.#pods.set(changed.uid, { ...changed, version: this.version });
    this.#tell({ podUid: changed.uid, node: changed.node, gone: false });
  }

  delete(uid: string): void {
    this.version += 1n;
    const node = this.#pods.get(uid)?.node ?? '';
    this.#pods.delete(uid);
    this.#tell({ podUid: uid, node, gone: true });
  }

  #tell(change: PodChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

export class MemoryAuditLog implements AuditLog {
  readonly events: AuditEvent[] = [];
  full = false;

  append(events: readonly AuditEvent[]): void {
    if (events.length > 0 && this.full) {
      throw new CodedError('unavailable', 'the audit log cannot be written', {
        reason: 'AuditFailed',
      });
    }
    this.events.push(...events);
  }

  close(): void {}
}
