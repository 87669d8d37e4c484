// What this node has published, on disk: one file a volume, written whole before the kubelet hears
// OK. The kubelet keeps neither pod info nor attributes, so after a restart these records are all
// there is. They hold no secrets.

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isEphemeralVolumeId } from './target-path.ts';

export type VolumeRecord = {
  readonly volumeId: string;
  readonly targetPath: string;
  readonly podUid: string;
  readonly namespace: string;
  readonly podName: string;
  readonly serviceAccount: string;
  readonly volumeName: string;
  /** The pod author's volume attributes, without the kubelet's pod info. */
  readonly attributes: Readonly<Record<string, string>>;
};

type StringFields = Omit<VolumeRecord, 'attributes'>;
const FIELDS = [
  'volumeId',
  'targetPath',
  'podUid',
  'namespace',
  'podName',
  'serviceAccount',
  'volumeName',
] as const;

export class VolumeRecords {
  readonly #directory: string;
  readonly #known = new Map<string, { readonly text: string; readonly record: VolumeRecord }>();
  readonly #broken = new Set<string>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Removes what a write that was cut short left. Not while another instance may be writing. */
  removeUnfinished(): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    for (const file of readdirSync(this.#directory)) {
      if (file.startsWith('.')) rmSync(join(this.#directory, file), { force: true });
    }
  }

  /**
   * The records that are there now, whoever wrote them. A file that does not parse is passed to
   * `onBroken`, once, and left in place.
   */
  load(onBroken: (file: string, thrown: unknown) => void): readonly VolumeRecord[] {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const files = new Set(readdirSync(this.#directory).filter((name) => !name.startsWith('.')));
    for (const volumeId of this.#known.keys()) {
      if (!files.has(`${volumeId}.json`)) this.#known.delete(volumeId);
    }
    for (const file of [...files].toSorted()) {
      if (!this.#known.has(file.replace(/\.json$/, ''))) this.#read(file, onBroken);
    }
    return [...this.#known.values()].map(({ record }) => record);
  }

  #read(file: string, onBroken: (file: string, thrown: unknown) => void): void {
    try {
      const text = readFileSync(join(this.#directory, file), 'utf8');
      const record = parseRecord(text);
      if (file !== `${record.volumeId}.json`) throw new Error('file name and volume id differ');
      this.#known.set(record.volumeId, { text, record });
    } catch (thrown) {
      if (!this.#broken.has(file)) onBroken(join(this.#directory, file), thrown);
      this.#broken.add(file);
    }
  }

  has(volumeId: string): boolean {
    return this.#known.has(volumeId);
  }

  /**
   * Makes a record durable; an unchanged one costs nothing. Other pods' calls and streams go on while
   * the disk takes its time. Calls for one volume must not overlap.
   */
  async save(record: VolumeRecord): Promise<void> {
    const text = `${JSON.stringify(record)}\n`;
    if (this.#known.get(record.volumeId)?.text === text) return;
    const path = this.#pathOf(record.volumeId);
    const temporary = join(this.#directory, `.${record.volumeId}.tmp`);
    try {
      await writeDurably(temporary, text);
      await rename(temporary, path);
    } catch (thrown) {
      await rm(temporary, { force: true });
      throw thrown;
    }
    this.#known.set(record.volumeId, { text, record });
  }

  remove(volumeId: string): void {
    rmSync(this.#pathOf(volumeId), { force: true });
    this.#known.delete(volumeId);
  }

  #pathOf(volumeId: string): string {
    if (!isEphemeralVolumeId(volumeId)) throw new TypeError('not an ephemeral volume id');
    return join(this.#directory, `${volumeId}.json`);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    // All of it or an error: a nearly full disk takes a part.
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function parseRecord(text: string): VolumeRecord {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error('not an object');
  const fields = new Map<string, unknown>(Object.entries(value));
  for (const name of FIELDS) {
    if (typeof fields.get(name) !== 'string') throw new Error(`${name} is not a string`);
  }
  if (!isEphemeralVolumeId(String(fields.get('volumeId')))) throw new Error('volumeId is not one');
  const attributes = fields.get('attributes');
  const flat =
    typeof attributes === 'object' &&
    attributes !== null &&
    Object.values(attributes).every((item) => typeof item === 'string');
  if (!flat) throw new Error('attributes is not a map of strings');
  return Object.freeze({
    ...(Object.fromEntries(FIELDS.map((name) => [name, fields.get(name)])) as StringFields),
    attributes: attributes as VolumeRecord['attributes'],
  });
}
