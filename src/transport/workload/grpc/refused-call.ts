// A call that nothing serves: its answer is known as soon as its headers are.

import type { Http2Stream, RequestSink } from '../http2/stream.ts';

export class RefusedCall implements RequestSink {
  constructor(stream: Http2Stream, answer: Buffer, release: () => void) {
    release();
    // After what came together with the headers, most often all of the request: then it ends as any
    // other, and nothing has to be cut off.
    queueMicrotask(() => stream.end(answer));
  }

  data(): void {}
  ended(): void {}
  sent(): void {}
  aborted(): void {}
  shutdown(): void {}
}
