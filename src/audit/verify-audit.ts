// Checks audit logs: every chain by itself, against its own signed checkpoints, and against what others
// kept of it. Says what is wrong, where, and how far what is right is proven.

import { type AuditLine, MAX_SKEW_MS, readLine } from './audit-chain.ts';
import { ChainReader, type ChainSummary } from './chain-reader.ts';
import type { Checkpoint } from './checkpoint.ts';
import { isSigned, readCheckpoint } from './checkpoint.ts';
import { CheckpointKeys } from './checkpoint-keys.ts';
import { HeldSerials } from './held-serials.ts';

export type AuditProblemName =
  /** The line is not the one that the next names. */
  | 'Edited'
  /** Lines before this one are missing. */
  | 'Gap'
  /** The line, or a later one, was there before. */
  | 'Repeated'
  /** The chain does not begin with its beginning. */
  | 'CutAtStart'
  /** Somebody kept a word on lines that are not there. */
  | 'CutAtEnd'
  /** Somebody kept another digest of the line: the lines before it were written anew. */
  | 'Rewritten'
  /** A checkpoint that was not signed over these lines. */
  | 'BadSignature'
  /** A key that the serving authority did not certify, or none. */
  | 'UntrustedKey'
  /** Somebody kept a word on a chain that is not there at all. */
  | 'MissingChain'
  /** A kept checkpoint that was never signed, or is none. */
  | 'BadAnchor'
  /** A node held a certificate that no line says was issued. */
  | 'Unlogged';

export type AuditProblem = {
  readonly problem: AuditProblemName;
  readonly chain: string;
  readonly replica: string;
  /** '' and 0 where there is no line. */
  readonly file: string;
  readonly line: number;
  readonly detail: string;
};

export type AuditReport = {
  readonly ok: boolean;
  readonly chains: readonly ChainSummary[];
  /** In the order of files and lines, then what others say. */
  readonly problems: readonly AuditProblem[];
  /** Lines that are no audit lines. */
  readonly otherLines: number;
  /** What no proof was asked or given for. */
  readonly notProven: readonly string[];
};

export type AuditInput = {
  readonly name: string;
  readonly lines: () => Iterable<string>;
};

export type VerifyOptions = {
  readonly inputs: readonly AuditInput[];
  /** What was kept elsewhere; undefined: nothing to compare with. */
  readonly anchors?: readonly Checkpoint[] | undefined;
  /** DER of the serving authorities; undefined: keys are not traced to anybody. */
  readonly authorities?: readonly Uint8Array[] | undefined;
  /** Milliseconds since the epoch: of what ended before, nothing need be there. */
  readonly since?: number | undefined;
  /** The inputs begin in the middle, as what a collector kept. */
  readonly isPartial?: boolean;
};

/** What somebody kept, and who. */
type Kept = {
  readonly checkpoint: Checkpoint;
  readonly by: string;
  /** Milliseconds since the epoch: when it was written down at the latest. */
  readonly before?: number;
};

export function verifyAudit(options: VerifyOptions): AuditReport {
  return new Verification(options).run();
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #chains = new Map<string, ChainReader>();
  readonly #keys: CheckpointKeys;
  readonly #problems: AuditProblem[] = [];
  readonly #kept: Kept[] = [];
  readonly #serials = new HeldSerials();
  /** Certificates of which only lines that are not proven say that they were issued. */
  readonly #undecided: string[] = [];
  #otherLines = 0;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#keys = new CheckpointKeys(options.authorities);
  }

  run(): AuditReport {
    for (const { name, lines } of inOrder(this.#options.inputs)) {
      let line = 0;
      for (const text of lines()) {
        line += 1;
        if (text !== '') this.#read(text, { file: name, line });
      }
    }
    for (const checkpoint of this.#options.anchors ?? []) {
      this.#kept.push({ checkpoint, by: 'the anchor' });
    }
    for (const kept of this.#kept) this.#compare(kept);
    this.#findUnlogged();
    const chains = [...this.#chains.values()].map((chain) => chain.summary());
    const { authorities, anchors } = this.#options;
    const notProven = [
      ...(anchors === undefined
        ? ['no anchor given: a cut end or a missing chain may go unnoticed']
        : []),
      ...(authorities === undefined
        ? ['no serving authority given: who signed the checkpoints is not known']
        : []),
      ...chains.flatMap(({ chain, provenTo, isProven }) =>
        isProven ? [] : [`chain ${chain}: lines after ${provenTo} are under no checkpoint`],
      ),
      ...this.#undecided,
    ];
    const problems = this.#problems;
    return { ok: problems.length === 0, chains, problems, otherLines: this.#otherLines, notProven };
  }

  #read(text: string, place: { readonly file: string; readonly line: number }): void {
    const line = readLine(text);
    if (line === undefined) {
      // A log line of the same process, or what a crash left: what is missing shows in the chain.
      this.#otherLines += 1;
      return;
    }
    let chain = this.#chains.get(line.chain);
    if (chain === undefined) {
      chain = new ChainReader(line.chain, {
        keys: this.#keys,
        isPartial: this.#options.isPartial ?? false,
        report: (problem) => this.#problems.push(problem),
      });
      this.#chains.set(line.chain, chain);
    }
    chain.read(text, line, place);
    if (line.event === 'CheckpointWitnessed') {
      const checkpoint = readCheckpoint(line.fields['checkpoint']);
      const { node } = line.fields;
      const by = typeof node === 'string' ? `node ${node}` : 'another writer';
      if (checkpoint !== undefined) {
        const before = Date.parse(line.time) + MAX_SKEW_MS;
        this.#kept.push({ checkpoint, by: `${by} (${place.file}:${place.line})`, before });
      }
    }
    this.#serials.read(line, place);
  }

  #compare({ checkpoint, by, before = Number.POSITIVE_INFINITY }: Kept): void {
    const { chain: id, replica, sequence, at, key } = checkpoint;
    const tell = (problem: AuditProblemName, detail: string, place = { file: '', line: 0 }) =>
      this.#problems.push({ problem, chain: id, replica, ...place, detail });
    const publicKey = this.#keys.find(key);
    if (publicKey !== undefined && !isSigned(checkpoint, publicKey)) {
      tell('BadAnchor', `what ${by} kept was not signed by ${key}`);
      return;
    }
    const chain = this.#chains.get(id);
    if (chain === undefined) {
      const { since = Number.NEGATIVE_INFINITY } = this.#options;
      if (Math.min(Date.parse(at), before) < since) return;
      tell('MissingChain', `${by} kept line ${sequence} of ${at}; there is no line of the chain`);
    } else if (sequence > chain.last.sequence) {
      const detail = `${by} kept line ${sequence} of ${at}; the last one is ${chain.last.sequence}`;
      tell('CutAtEnd', detail, chain.last);
    } else if (chain.contradicts(checkpoint)) {
      const detail = `${by} kept another line ${sequence}, of ${at}`;
      tell('Rewritten', detail, chain.placeOf(sequence));
    } else if (publicKey !== undefined) {
      chain.confirm(checkpoint);
    } else if (chain.hasBeginning) {
      // The keys of a chain stand in it.
      tell(
        'BadAnchor',
        `what ${by} kept is by key ${key}, for which no log has a good certificate`,
      );
    }
  }

  #findUnlogged(): void {
    const { since = Number.NEGATIVE_INFINITY } = this.#options;
    const starts = [...this.#chains.values()].map((chain) => chain.knownFrom);
    const from = Math.max(since, ...starts);
    const unlogged = this.#serials.unlogged(from, ({ chain, sequence }) =>
      Boolean(this.#chains.get(chain)?.isByIssuer(sequence)),
    );
    for (const { serial, node, podUid, chain, file, line, claimedBy } of unlogged) {
      const holds = `node ${node} holds ${serial} for pod ${podUid}`;
      const undecided = claimedBy.find((each) =>
        this.#chains.get(each.chain)?.isUndecided(each.sequence),
      );
      if (undecided !== undefined) {
        const where = `${undecided.file}:${undecided.line}`;
        this.#undecided.push(`${holds}; ${where} says it was issued, under no checkpoint`);
        continue;
      }
      const [claim] = claimedBy;
      const detail =
        claim === undefined
          ? `${holds}; no line says it was issued`
          : `${holds}; only ${claim.file}:${claim.line} says it was issued, which no issuer signed`;
      const replica = this.#chains.get(chain)?.summary().replica ?? '';
      this.#problems.push({ problem: 'Unlogged', chain, replica, file, line, detail });
    }
  }
}

/** Files of one chain by its numbers, others by time: names say nothing of what was written first. */
function inOrder(inputs: readonly AuditInput[]): readonly AuditInput[] {
  // Standard input can be read only once.
  if (inputs.length < 2) return inputs;
  const byChain = Map.groupBy(
    inputs.map((input) => ({ input, first: firstOf(input) })),
    ({ first }) => first?.chain,
  );
  const timed = [...byChain.values()].flatMap((files) => {
    let time = '';
    return files
      .toSorted((a, b) => (a.first?.sequence ?? 0) - (b.first?.sequence ?? 0))
      .map(({ input, first }) => {
        // A clock may have been set back; numbers never are.
        if (first !== undefined && first.time > time) ({ time } = first);
        return { input, time };
      });
  });
  return timed
    .toSorted((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)))
    .map(({ input }) => input);
}

/** Undefined where there is no audit line at all. */
function firstOf({ lines }: AuditInput): AuditLine | undefined {
  for (const text of lines()) {
    const line = readLine(text);
    if (line !== undefined) return line;
  }
  return undefined;
}
