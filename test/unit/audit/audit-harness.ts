// A serving authority with a certificate for an issuer, an anchor in memory, and lines to be checked.

import type { AuditAnchor } from '../../../src/audit/audit-anchor.ts';
import type { AuditEvent } from '../../../src/audit/audit-log.ts';
import { AuditTrail } from '../../../src/audit/audit-trail.ts';
import type { Checkpoint, CheckpointSigner } from '../../../src/audit/checkpoint.ts';
import { StreamAuditLog } from '../../../src/audit/stream-audit-log.ts';
import {
  type AuditReport,
  type VerifyOptions,
  verifyAudit,
} from '../../../src/audit/verify-audit.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../src/issuer/authority/authority-keeper.ts';
import {
  AuthorityView,
  checkpointSigner,
} from '../../../src/issuer/authority/signing-authorities.ts';
import {
  createServingAuthority,
  createServingLeaf,
} from '../../../src/spiffe/authority/x509-authority.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import type { FakeClock } from '../../fakes/fake-clock.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../issuer/fixtures.ts';
import { MemoryStore } from '../issuer/memory-store.ts';

export type Signing = {
  readonly signer: CheckpointSigner;
  readonly authorities: readonly Uint8Array[];
};

/** Real ones, made as the authority role makes them. */
export async function newSigning(clock: FakeClock): Promise<Signing> {
  const store = new MemoryStore();
  const audit = new MemoryAuditLog();
  const common = { trustDomain: TRUST_DOMAIN, store, clock, log: silentLogger };
  await new AuthorityKeeper({ ...common, audit, isAlone: true, jwtKeyType: 'ec-p256' }).settle();
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  const { value } = view.current;
  const signer = checkpointSigner(value);
  if (value === undefined || signer === undefined) throw new Error('no authorities');
  return { signer, authorities: value.serving.servingCa };
}

/** The same for an issuer and for the controller, of one serving authority. */
export async function newRoles(
  clock: FakeClock,
): Promise<{ readonly issuer: CheckpointSigner; readonly controller: CheckpointSigner } & Signing> {
  const [notBefore, notAfter] = [clock.now() - 60_000, clock.now() + 86_400_000];
  const of = { trustDomain: TRUST_DOMAIN, notBefore, notAfter };
  const signedBy = await createServingAuthority(of);
  const leaf = async (role: string): Promise<CheckpointSigner> => {
    const spiffeId = parseSpiffeId(`spiffe://${TRUST_DOMAIN}/signet/${role}`);
    const made = await createServingLeaf({ ...of, signedBy, spiffeId, dnsNames: [] });
    return { certificate: made.certificateDer, privateKey: made.privateKey };
  };
  const [issuer, controller] = [await leaf('issuer'), await leaf('controller')];
  return { issuer, controller, signer: issuer, authorities: [signedBy.certificateDer] };
}

export class MemoryAnchor implements AuditAnchor {
  readonly kept = new Map<string, Checkpoint>();
  isAway = false;

  async look(): Promise<readonly Checkpoint[]> {
    if (this.isAway) throw new Error('away');
    return [...this.kept.values()];
  }

  async put(checkpoint: Checkpoint): Promise<readonly Checkpoint[]> {
    if (!this.isAway) this.kept.set(checkpoint.chain, checkpoint);
    return await this.look();
  }

  async drop(checkpoints: readonly Checkpoint[]): Promise<void> {
    for (const { chain } of checkpoints) this.kept.delete(chain);
  }
}

/** One writer, whose lines are kept by a collector. */
export class Replica {
  readonly lines: string[] = [];
  readonly trail: AuditTrail;
  readonly name: string;
  #rest = '';

  constructor(
    name: string,
    from: { readonly clock: FakeClock; readonly signer: CheckpointSigner | undefined },
    anchor?: AuditAnchor,
  ) {
    this.name = name;
    const audit = new StreamAuditLog(-1, from.clock, {
      replica: name,
      write: (_, bytes) => this.#take(bytes),
    });
    this.trail = new AuditTrail({
      audit,
      trustDomain: TRUST_DOMAIN,
      signer: () => from.signer,
      anchor,
      clock: from.clock,
      log: silentLogger,
    });
  }

  #take(bytes: Uint8Array): number {
    const parts = (this.#rest + Buffer.from(bytes).toString('utf8')).split('\n');
    this.#rest = parts.pop() ?? '';
    this.lines.push(...parts);
    return bytes.length;
  }

  issue(...serials: readonly string[]): void {
    this.trail.append(serials.map(issued));
  }

  async settle(): Promise<void> {
    await this.trail.settle(AbortSignal.timeout(1000));
  }
}

export function issued(serial: string): AuditEvent {
  const spiffeId = `spiffe://example.org/agent/${serial}`;
  return {
    event: 'X509SvidIssued',
    decision: 'allowed',
    trustDomain: TRUST_DOMAIN,
    spiffeId,
    serial,
  };
}

/** Verifies lines by the name of their file. */
export function verifyLines(
  files: Readonly<Record<string, readonly string[]>>,
  options: Omit<VerifyOptions, 'inputs'> = {},
): AuditReport {
  const inputs = Object.entries(files).map(([name, lines]) => ({ name, lines: () => lines }));
  return verifyAudit({ ...options, inputs });
}

/** The problems, short. */
export function problemsIn({ problems }: AuditReport): readonly string[] {
  return problems.map(({ problem, file, line }) => `${problem} ${file}:${line}`);
}
