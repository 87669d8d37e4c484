// From a record to a volume that is served: its directory opened or made, its socket bound; and back
// when that fails half-way.

import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { PublishedVolume, type ServeWorkload } from './published-volume.ts';
import { ephemeralVolumeId, parseTargetPath, type TargetPath } from './target-path.ts';
import { VolumeDirectory } from './volume-directory.ts';
import type { VolumeRecord } from './volume-records.ts';

export type ServeRecordOptions = {
  readonly kubeletRoot: string;
  readonly serve: ServeWorkload;
  readonly log: Logger;
};

/** Undefined when the directory, or with `create` its parent, is not there. */
export async function serveRecord(
  record: VolumeRecord,
  create: boolean,
  options: ServeRecordOptions,
): Promise<PublishedVolume | undefined> {
  const { kubeletRoot, serve } = options;
  const target = parseTargetPath(record.targetPath, kubeletRoot);
  requireConsistent(record, target);
  const directory = VolumeDirectory.open(target, {
    podsDirectory: podsDirectory(kubeletRoot),
    create,
  });
  if (directory === undefined) return undefined;
  try {
    return await PublishedVolume.serve(record, directory, serve);
  } catch (thrown) {
    directory.close();
    if (directory.created) undoDirectory(target, options);
    throw thrown;
  }
}

export function undoDirectory(
  target: TargetPath,
  { kubeletRoot, log }: Pick<ServeRecordOptions, 'kubeletRoot' | 'log'>,
): void {
  try {
    VolumeDirectory.remove(target, podsDirectory(kubeletRoot));
  } catch (err) {
    log.warn({ targetPath: target.path, err }, 'Failed to undo a publish');
  }
}

export function podsDirectory(kubeletRoot: string): string {
  return `${kubeletRoot}/pods`;
}

// A record from the disk is as good as a request only if it means one volume.
function requireConsistent(record: VolumeRecord, { podUid, volumeName }: TargetPath): void {
  const consistent =
    record.volumeId === ephemeralVolumeId(podUid, volumeName) &&
    record.podUid === podUid &&
    record.volumeName === volumeName;
  if (!consistent) throw new CodedError('internal', 'the record contradicts its target path');
}
