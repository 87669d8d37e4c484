// Somebody's experiment, in a pod that no policy is about.
//
//   SPIFFE_ENDPOINT_SOCKET=unix:///… node stranger.ts

import { CodedError, WorkloadApiClient } from '@signet/client';
import { say } from './ask.ts';

const client = new WorkloadApiClient();
try {
  await client.fetchX509Context();
  say('I have an identity');
} catch (thrown) {
  say(CodedError.from(thrown).message);
}
client.close();
