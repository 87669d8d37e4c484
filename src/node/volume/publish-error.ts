// What a failure of the node's disk means to the kubelet: it heals without the volume being given
// up, so the code is one that the kubelet retries.

import { CodedError } from '../../base/errors.ts';
import { isErrno } from './directory-handle.ts';

const PASSING = ['ENOSPC', 'EROFS', 'EDQUOT', 'EMFILE', 'ENFILE', 'EIO', 'EACCES', 'ENOENT'];

export function asPublishError(thrown: unknown): unknown {
  const code = PASSING.find((candidate) => isErrno(thrown, candidate));
  if (code === undefined) return thrown;
  return new CodedError('unavailable', `the node cannot store the volume: ${code}`, {
    cause: thrown,
    reason: 'NodeStorage',
  });
}
