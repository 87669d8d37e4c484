// One chain as its lines come: each must follow the one before, and each checkpoint must be signed over
// what stands before it.

import { type AuditLine, digest, GENESIS } from './audit-chain.ts';
import { type Checkpoint, isSigned, readCheckpoint } from './checkpoint.ts';
import type { CheckpointKeys } from './checkpoint-keys.ts';
import type { AuditProblem, AuditProblemName } from './verify-audit.ts';

export type ChainSummary = {
  readonly chain: string;
  readonly replica: string;
  readonly lines: number;
  readonly first: number;
  readonly last: number;
  readonly from: string;
  readonly to: string;
  readonly checkpoints: number;
  /** The last line under a good checkpoint; 0: none. */
  readonly provenTo: number;
  /** The last line that somebody else kept the same word of; 0: none. */
  readonly confirmedTo: number;
  /** Whether no event comes after `provenTo`. */
  readonly isProven: boolean;
};

/** Says nothing but of chains, and asks for no checkpoint. */
const OF_THE_CHAIN: ReadonlySet<string> = new Set(['Checkpoint', 'CheckpointWitnessed']);

/** What issuers do, and the authority job with their key; nobody else can say that it was done. */
const OF_ISSUERS: ReadonlySet<string> = new Set([
  'X509SvidIssued',
  'X509SvidRefused',
  'X509SvidRevoked',
  'JwtSvidIssued',
  'JwtSvidRefused',
  'SvidsHeld',
  'RestrictionChanged',
  'AuthorityChanged',
  'StateRolledBack',
]);

type Place = { readonly file: string; readonly line: number };
type Known = Place & { readonly sequence: number; readonly hash: string };

/** Enough to see what happened; the rest says the same. */
const MAX_PROBLEMS = 20;

export type ChainReaderOptions = {
  readonly keys: CheckpointKeys;
  /** The chain need not begin with its beginning. */
  readonly isPartial: boolean;
  readonly report: (problem: AuditProblem) => void;
};

export class ChainReader {
  readonly #chain: string;
  readonly #options: ChainReaderOptions;
  /** Lines before checkpoints, which are those that others keep. */
  readonly #covered = new Map<number, Known>();
  #replica = '';
  #first: (Place & { readonly sequence: number; readonly time: string }) | undefined;
  #last: Known = { file: '', line: 0, sequence: 0, hash: GENESIS };
  #to = '';
  #lines = 0;
  #problems = 0;
  #lastNews = 0;
  #provenTo = 0;
  #confirmedTo = 0;
  /** The last line under a good checkpoint of an issuer. */
  #issuedTo = 0;
  /** The first line of issuers that no checkpoint covers yet. */
  #ofIssuers: (Place & { readonly event: string }) | undefined;

  constructor(chain: string, options: ChainReaderOptions) {
    this.#chain = chain;
    this.#options = options;
  }

  get last(): Known {
    return this.#last;
  }

  get hasBeginning(): boolean {
    return this.#first?.sequence === 1;
  }

  /** Milliseconds since the epoch: what was written before this is not known to be there. */
  get knownFrom(): number {
    if (this.#first === undefined || this.#first.sequence === 1) return Number.NEGATIVE_INFINITY;
    return Date.parse(this.#first.time);
  }

  /** Whether an issuer signed that this line was written. */
  isByIssuer(sequence: number): boolean {
    return sequence <= this.#issuedTo;
  }

  /** Whether an issuer may have written the line: what comes after its last checkpoint, or before its key. */
  isUndecided(sequence: number): boolean {
    if (this.#issuedTo > 0) return sequence > this.#provenTo;
    const hasNoKey = this.#provenTo === 0 && this.#problems === 0;
    return hasNoKey && this.#options.isPartial && !this.hasBeginning;
  }

  read(text: string, line: AuditLine, place: Place): void {
    const { sequence, previous, time, event } = line;
    const before = this.#last;
    if (this.#first === undefined) {
      this.#first = { ...place, sequence, time };
      const isStart = sequence === 1 && previous === GENESIS && event === 'ChainStarted';
      if (!isStart && (sequence === 1 || !this.#options.isPartial)) {
        this.#tell('CutAtStart', place, `the first line is number ${sequence}`);
      }
    } else if (sequence <= before.sequence) {
      this.#tell('Repeated', place, `number ${sequence} comes after ${before.sequence}`);
    } else if (sequence > before.sequence + 1) {
      this.#tell('Gap', place, `number ${sequence} comes after ${before.sequence}`);
    } else if (previous !== before.hash) {
      this.#tell('Edited', before, `line ${before.sequence} is not the one that was followed`);
    }
    this.#last = { ...place, sequence, hash: digest(text) };
    this.#to = time;
    this.#lines += 1;
    if (!OF_THE_CHAIN.has(event)) this.#lastNews = sequence;
    const { replica } = line.fields;
    if (event === 'ChainStarted' && typeof replica === 'string') this.#replica = replica;
    if (OF_ISSUERS.has(event)) this.#ofIssuers ??= { ...place, event };
    if (event === 'CheckpointKey') this.#readKey(line, place);
    if (event === 'Checkpoint') this.#readCheckpoint(line, before, place);
  }

  #readKey({ fields }: AuditLine, place: Place): void {
    const why = this.#options.keys.add(fields['certificate'], fields['trustDomain']);
    if (why !== undefined) this.#tell('UntrustedKey', place, why);
  }

  #readCheckpoint({ fields, previous, sequence }: AuditLine, before: Known, place: Place): void {
    const { chain, trustDomain, replica, at, key, signature } = fields;
    const covered = sequence - 1;
    const checkpoint = readCheckpoint({
      trustDomain,
      replica,
      chain,
      at,
      key,
      signature,
      sequence: covered,
      hash: previous,
    });
    if (checkpoint === undefined) {
      this.#tell('BadSignature', place, 'the checkpoint is malformed');
      return;
    }
    if (this.#replica === '') this.#replica = checkpoint.replica;
    this.#covered.set(covered, { ...before, sequence: covered, hash: previous });
    const publicKey = this.#options.keys.find(checkpoint.key);
    if (publicKey === undefined) {
      // Where the beginning is not there, the key may not be either.
      if (this.hasBeginning) this.#tell('UntrustedKey', place, `no key ${checkpoint.key}`);
      return;
    }
    if (!isSigned(checkpoint, publicKey)) {
      this.#tell('BadSignature', place, `not signed over line ${covered} as it stands there`);
      return;
    }
    const late = this.#options.keys.lateness(checkpoint.key, Date.parse(checkpoint.at));
    if (late !== undefined) this.#tell('UntrustedKey', place, late);
    const isOfIssuer = this.#options.keys.isOfIssuer(checkpoint.key);
    const foreign = this.#ofIssuers;
    if (foreign !== undefined && !isOfIssuer) {
      const detail = `${foreign.event} is for issuers; key ${checkpoint.key} is of another process`;
      this.#tell('UntrustedKey', foreign, detail);
    }
    this.#ofIssuers = undefined;
    if (this.#problems > 0) return;
    this.#provenTo = covered;
    if (isOfIssuer) this.#issuedTo = covered;
  }

  /** Whether a kept word is about another line than the one that is there; its number must be there. */
  contradicts({ sequence, hash }: Checkpoint): boolean {
    const known = this.#covered.get(sequence);
    if (known !== undefined) return known.hash !== hash;
    if (sequence === this.#last.sequence) return this.#last.hash !== hash;
    // Every kept word is of a checkpoint, and each checkpoint stands in the chain.
    return sequence >= (this.#first?.sequence ?? 0);
  }

  confirm({ sequence }: Checkpoint): void {
    this.#confirmedTo = Math.max(this.#confirmedTo, sequence);
  }

  placeOf(sequence: number): Place {
    const { file, line } = this.#covered.get(sequence) ?? this.#first ?? this.#last;
    return { file, line };
  }

  summary(): ChainSummary {
    return {
      chain: this.#chain,
      replica: this.#replica,
      lines: this.#lines,
      first: this.#first?.sequence ?? 0,
      last: this.#last.sequence,
      from: this.#first?.time ?? '',
      to: this.#to,
      checkpoints: this.#covered.size,
      provenTo: this.#provenTo,
      confirmedTo: this.#confirmedTo,
      isProven: this.#provenTo >= this.#lastNews,
    };
  }

  #tell(problem: AuditProblemName, { file, line }: Place, detail: string): void {
    this.#problems += 1;
    if (this.#problems > MAX_PROBLEMS) return;
    const chain = this.#chain;
    this.#options.report({ problem, chain, replica: this.#replica, file, line, detail });
  }
}
