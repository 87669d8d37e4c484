// The note that the kubelet keeps beside each CSI volume: which driver to call for its end. Written
// before the driver is called, and not atomically, so it may be torn or empty.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { DirectoryHandle } from './directory-handle.ts';

export const VOLUME_NOTE = 'vol_data.json';
const MAX_NOTE_BYTES = 64 * 1024;

/** The driver that the kubelet's note names; undefined for none, or one that cannot be used. */
export function notedDriver(parent: DirectoryHandle): string | undefined {
  try {
    const text = readSmallFile(parent.pathOf(VOLUME_NOTE));
    const data: unknown = JSON.parse(text);
    if (typeof data !== 'object' || data === null || !('driverName' in data)) return undefined;
    return typeof data.driverName === 'string' && data.driverName !== ''
      ? data.driverName
      : undefined;
  } catch {
    return undefined;
  }
}

function readSmallFile(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) throw new Error('not a file');
    const bytes = Buffer.alloc(MAX_NOTE_BYTES);
    return bytes.toString('utf8', 0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}
