// A Workload API on a real Unix socket, over the server code that production uses. Each method
// answers what it was last told to, open streams at once; it can go away and come back.

import { createServer, type Server, type Socket } from 'node:net';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { CodedError } from '../../src/base/errors.ts';
import { Latest } from '../../src/base/latest.ts';
import {
  type JWTBundlesResponseSchema,
  type JWTSVIDResponseSchema,
  SpiffeWorkloadAPI,
  type ValidateJWTSVIDResponseSchema,
  type X509BundlesResponseSchema,
  type X509SVIDResponseSchema,
} from '../../src/transport/gen/spiffe/workload_pb.ts';
import { GrpcServer } from '../../src/transport/grpc/grpc-server.ts';
import { bindService, type Call } from '../../src/transport/rpc.ts';
import type { TestCa, TestSvid } from './test-ca.ts';

export type X509Answer = MessageInitShape<typeof X509SVIDResponseSchema>;
type JwtRequest = { readonly audience: readonly string[]; readonly spiffeId: string };
type JwtAnswer = MessageInitShape<typeof JWTSVIDResponseSchema>;

export class FakeWorkloadApi {
  readonly path: string;
  readonly x509Svids = new Latest<X509Answer | CodedError>();
  readonly x509Bundles = new Latest<
    MessageInitShape<typeof X509BundlesResponseSchema> | CodedError
  >();
  readonly jwtBundles = new Latest<
    MessageInitShape<typeof JWTBundlesResponseSchema> | CodedError
  >();
  jwtSvid: (request: JwtRequest) => JwtAnswer | CodedError = () =>
    new CodedError('unavailable', 'starting');
  validation: MessageInitShape<typeof ValidateJWTSVIDResponseSchema> = {};
  /** Calls received, by method name. */
  readonly calls: string[] = [];
  /** Streams of FetchX509SVID open now. */
  openStreams = 0;
  #listener: Server | undefined;
  #server: GrpcServer | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(path: string) {
    this.path = path;
  }

  get address(): string {
    return `unix://${this.path}`;
  }

  async start(): Promise<void> {
    const server = new GrpcServer({ services: [this.#binding()] });
    const listener = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      server.accept(socket);
    });
    await new Promise<void>((resolve) => listener.listen(this.path, resolve));
    this.#server = server;
    this.#listener = listener;
  }

  /** Ends every stream with Unavailable, as an orderly restart does. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#listener?.close(resolve) ?? resolve(undefined));
    await this.#server?.close();
    await closed;
  }

  /** Drops every connection without a word, as a killed process does. */
  async kill(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.stop();
  }

  #binding() {
    return bindService(SpiffeWorkloadAPI, {
      fetchX509SVID: (_request, call) => this.#x509Svids(call),
      fetchX509Bundles: (_request, call) =>
        this.#stream('FetchX509Bundles', call, this.x509Bundles),
      fetchJWTBundles: (_request, call) => this.#stream('FetchJWTBundles', call, this.jwtBundles),
      fetchJWTSVID: async (request, call) => {
        this.#enter('FetchJWTSVID', call);
        return unlessError(this.jwtSvid(request));
      },
      validateJWTSVID: async (_request, call) => {
        this.#enter('ValidateJWTSVID', call);
        return this.validation;
      },
      fetchWITSVID: unimplemented,
      fetchWITBundles: unimplemented,
    });
  }

  async *#x509Svids(call: Call): AsyncGenerator<X509Answer> {
    this.openStreams += 1;
    try {
      yield* this.#stream('FetchX509SVID', call, this.x509Svids);
    } finally {
      this.openStreams -= 1;
    }
  }

  async *#stream<T>(
    method: string,
    call: Call,
    answers: Latest<T | CodedError>,
  ): AsyncGenerator<T> {
    this.#enter(method, call);
    for await (const answer of answers.watch(call.signal)) yield unlessError(answer);
  }

  #enter(method: string, call: Call): void {
    this.calls.push(method);
    // WE-07, WE-24: exactly one value, exactly this one.
    const header = call.metadata.get('workload.spiffe.io');
    if (header?.length !== 1 || header[0] !== 'true') {
      throw new CodedError('invalid-argument', 'security header missing from request');
    }
  }
}

/** The message of FetchX509SVID for SVIDs of one authority. */
export function x509Answer(
  ca: Pick<TestCa, 'certificate'>,
  svids: readonly (TestSvid & { readonly hint?: string })[],
  federated: readonly TestCa[] = [],
): X509Answer {
  return {
    svids: svids.map((svid) => ({
      spiffeId: svid.spiffeId,
      x509Svid: Buffer.concat(svid.chain),
      x509SvidKey: svid.privateKey.export({ type: 'pkcs8', format: 'der' }),
      bundle: ca.certificate,
      hint: svid.hint ?? '',
    })),
    federatedBundles: Object.fromEntries(
      federated.map((other) => [`spiffe://${other.trustDomain}`, other.certificate]),
    ),
  };
}

function unlessError<T>(answer: T | CodedError): T {
  if (answer instanceof CodedError) throw answer;
  return answer;
}

// oxlint-disable-next-line require-yield -- it only refuses
async function* unimplemented(): AsyncGenerator<never> {
  throw new CodedError('unimplemented', 'not served');
}
