// What the peer says of itself in SETTINGS (RFC 9113 §6.5).

import {
  CODE,
  ConnectionError,
  DEFAULT_WINDOW,
  MAX_MAX_FRAME_BYTES,
  MAX_WINDOW,
  MIN_MAX_FRAME_BYTES,
  SETTING,
} from './protocol.ts';

/** There are six; a peer may say some we do not know. */
const MAX_SETTINGS = 64;
const SETTING_BYTES = 6;

export class PeerSettings {
  initialWindow: number = DEFAULT_WINDOW;
  /** Set when the peer's table became smaller: the next header block has to say so (RFC 7541 §4.2). */
  isTableReduced = false;
  #tableBytes = 4096;

  /** Takes one SETTINGS frame's payload, in order. */
  take(payload: Buffer): void {
    if (payload.length % SETTING_BYTES !== 0) {
      throw new ConnectionError(CODE.FRAME_SIZE_ERROR, 'SETTINGS of a wrong length');
    }
    if (payload.length > MAX_SETTINGS * SETTING_BYTES) {
      throw new ConnectionError(CODE.ENHANCE_YOUR_CALM, 'too many settings');
    }
    for (let at = 0; at < payload.length; at += SETTING_BYTES) {
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
  }

  #set(name: number, value: number): void {
    switch (name) {
      case SETTING.HEADER_TABLE_SIZE:
        if (value < this.#tableBytes) this.isTableReduced = true;
        this.#tableBytes = value;
        return;
      case SETTING.ENABLE_PUSH:
        if (value <= 1) return;
        throw new ConnectionError(CODE.PROTOCOL_ERROR, 'ENABLE_PUSH is neither 0 nor 1');
      case SETTING.INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) {
          throw new ConnectionError(CODE.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE is too large');
        }
        this.initialWindow = value;
        return;
      case SETTING.MAX_FRAME_SIZE:
        if (value < MIN_MAX_FRAME_BYTES || value > MAX_MAX_FRAME_BYTES) {
          throw new ConnectionError(CODE.PROTOCOL_ERROR, 'MAX_FRAME_SIZE is out of its range');
        }
        // Frames of ours are never larger than every peer must take.
        return;
      default:
    }
  }
}
