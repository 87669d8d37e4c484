// Answers to FetchJWTSVID that stand: while a pod's answer and its tokens are the same, a request that
// was answered gets the very message it got before.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  JWTSVIDRequest,
  JWTSVIDResponseSchema,
} from '../../transport/gen/spiffe/workload_pb.ts';
import { unchangingMessage } from '../../transport/rpc.ts';
import { type CachedToken, freshUntil, type JwtSvids } from '../svid/jwt-svids.ts';
import type { ServedIdentity } from '../svid/pod-answer.ts';
import type { ServedAnswer } from './workload-messages.ts';

type JwtAnswer = MessageInitShape<typeof JWTSVIDResponseSchema>;

/** What an answer was made of: when one of these is another, so is the answer. */
export type JwtAnswerBasis = {
  readonly served: ServedAnswer;
  readonly jwtSvids: JwtSvids;
  readonly generation: number | undefined;
};

type Standing = JwtAnswerBasis & {
  readonly from: number;
  readonly until: number;
  readonly message: JwtAnswer;
};

export class JwtAnswers {
  /** By request; those that come again in the same bytes are the same object. */
  readonly #standing = new WeakMap<JWTSVIDRequest, Standing>();

  find(
    request: JWTSVIDRequest,
    basis: Omit<JwtAnswerBasis, 'generation'>,
    now: number,
  ): JwtAnswer | undefined {
    const standing = this.#standing.get(request);
    if (standing?.served !== basis.served || standing.jwtSvids !== basis.jwtSvids) return undefined;
    const isNow = standing.generation === basis.jwtSvids.generation.value;
    return isNow && standing.from <= now && now < standing.until ? standing.message : undefined;
  }

  /** The answer; kept unless one of its tokens may be used only once. */
  make(
    request: JWTSVIDRequest,
    basis: JwtAnswerBasis,
    signed: {
      readonly identities: readonly ServedIdentity[];
      readonly tokens: readonly CachedToken[];
    },
  ): JwtAnswer {
    const { identities, tokens } = signed;
    const message = {
      svids: identities.map(({ spiffeId, hint }, index) => ({
        spiffeId,
        hint,
        svid: tokens[index]?.token ?? '',
      })),
    };
    if (identities.some(({ jwtSingleUse }) => jwtSingleUse)) return message;
    this.#standing.set(request, {
      ...basis,
      from: Math.max(...tokens.map(({ receivedAt }) => receivedAt)),
      until: Math.min(...tokens.map(freshUntil)),
      message: unchangingMessage(message),
    });
    return message;
  }
}
