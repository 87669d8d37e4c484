// gRPC health of one pod's socket. It serves when the pod's calls get a definite answer: an SVID, or
// the word that there is none. While that is not known yet, it does not.

import { CodedError } from '../../base/errors.ts';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from '../../transport/gen/grpc/health/v1/health_pb.ts';
import { type Admit, bindService, type ServiceBinding } from '../../transport/rpc.ts';
import type { PodAnswer } from '../svid/pod-answer.ts';
import type { PodSocket } from './workload-api.ts';

/** Asked about the socket as a whole, by an empty name, or about one of `services`. */
export function workloadHealth(
  { answers, pod }: Pick<PodSocket, 'answers' | 'pod'>,
  services: readonly string[],
  admit: Admit,
): ServiceBinding {
  const known: ReadonlySet<string> = new Set(['', ...services, Health.typeName]);
  return bindService(
    Health,
    {
      check: async ({ service }) => {
        if (!known.has(service)) throw new CodedError('not-found', 'service: not served here');
        return { status: statusOf(answers.answerOf(pod.podUid).value) };
      },
      watch: async function* ({ service }, { signal }) {
        let last: Status | undefined;
        for await (const answer of answers.answerOf(pod.podUid).watch(signal)) {
          const status = known.has(service) ? statusOf(answer) : Status.SERVICE_UNKNOWN;
          if (status !== last) yield { status };
          last = status;
        }
        throw new CodedError('unavailable', 'the node plugin is shutting down');
      },
    },
    admit,
  );
}

function statusOf(answer: PodAnswer | undefined): Status {
  return answer?.kind === 'served' || answer?.kind === 'refused'
    ? Status.SERVING
    : Status.NOT_SERVING;
}
