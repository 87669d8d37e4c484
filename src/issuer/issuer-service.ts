// The gRPC face of the issuer: find out who calls, translate, hand on. Nothing is decided here.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { CodedError, type Decision, type Refused } from '../base/errors.ts';
import {
  Issuer,
  type NodeReport,
  type SignJwtSvidsResponseSchema,
  type SignX509SvidsRequest,
  type SignX509SvidsResponseSchema,
} from '../transport/gen/signet/issuer_pb.ts';
import { bindService, type Call, type Handlers, type ServiceBinding } from '../transport/rpc.ts';
import { type CallerAuthenticator, type NodeCaller, requireCaller } from './caller.ts';
import type { JwtSigning, SignedJwtSvid } from './signing/jwt-signing.ts';
import type { SignedX509Svid, X509Item, X509Signing } from './signing/x509-signing.ts';
import { rolledBack } from './watch/node-reports.ts';
import { type NodeWatchOptions, watchNode } from './watch/node-watch.ts';

export type IssuerServiceOptions = {
  readonly authenticator: CallerAuthenticator;
  readonly x509: X509Signing;
  readonly jwt: JwtSigning;
  readonly watch: NodeWatchOptions;
};

type X509Result = NonNullable<MessageInitShape<typeof SignX509SvidsResponseSchema>['results']>;
type JwtResult = NonNullable<MessageInitShape<typeof SignJwtSvidsResponseSchema>['results']>;

export function bindIssuerService(options: IssuerServiceOptions): ServiceBinding {
  const { authenticator, x509, jwt, watch } = options;
  const callers = new WeakMap<Call, NodeCaller>();
  const admit = async (call: Call): Promise<void> => {
    callers.set(call, await requireCaller(call, authenticator));
  };
  const callerOf = (call: Call): NodeCaller => {
    const caller = callers.get(call);
    if (caller === undefined) throw new CodedError('unauthenticated', 'the caller is not known');
    return caller;
  };
  const signingCaller = (call: Call): NodeCaller => {
    const caller = callerOf(call);
    if (watch.rollback.isRaised || watch.rollback.isAhead(caller.node)) throw rolledBack();
    return caller;
  };
  const checkpoint = () => {
    const auditCheckpoint = watch.nodeAudit?.checkpoint;
    return auditCheckpoint === undefined ? {} : { auditCheckpoint };
  };
  const handlers: Handlers<typeof Issuer> = {
    async *watch(reports: AsyncIterable<NodeReport>, call: Call) {
      const caller = callerOf(call);
      yield* watchNode(reports, { caller, signal: call.signal }, watch);
    },
    signX509Svids: async (request, call) => {
      const caller = signingCaller(call);
      const results = await x509.sign(caller, request.items.map(toX509Item), call.signal);
      return { results: results.map(fromX509), ...checkpoint() };
    },
    signJwtSvids: async ({ podUid, items, audience }, call) => {
      const caller = signingCaller(call);
      const results = await jwt.sign(caller, { podUid, items, audience }, call.signal);
      return { results: results.map(fromJwt), ...checkpoint() };
    },
  };
  return bindService(Issuer, handlers, admit);
}

function toX509Item(item: SignX509SvidsRequest['items'][number]): X509Item {
  const { podUid, entryId, expectedSpiffeId, publicKey } = item;
  return { podUid, entryId, expectedSpiffeId, publicKey: publicKey.value };
}

function fromX509(decision: Decision<SignedX509Svid>): X509Result[number] {
  if (!decision.allowed) return refusal(decision);
  const { chain, notBefore, notAfter } = decision.value;
  return {
    result: {
      case: 'issued',
      value: {
        chain: [...chain],
        notBefore: toSeconds(notBefore),
        notAfter: toSeconds(notAfter),
      },
    },
  };
}

function fromJwt(decision: Decision<SignedJwtSvid>): JwtResult[number] {
  if (!decision.allowed) return refusal(decision);
  const { token, issuedAt, expiresAt } = decision.value;
  return {
    result: {
      case: 'issued',
      value: { token, issuedAt: toSeconds(issuedAt), expiresAt: toSeconds(expiresAt) },
    },
  };
}

function refusal({ reason, message }: Refused) {
  return { result: { case: 'refused' as const, value: { reason, message } } };
}

function toSeconds(ms: number): bigint {
  return BigInt(Math.floor(ms / 1000));
}
