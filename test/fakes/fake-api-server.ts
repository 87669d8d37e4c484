// A Kubernetes API server as far as clients of ours depend on one: real HTTPS, resource versions, paged
// lists, watches with bookmarks, the watch list, conflicts, patches, TokenReview; and every fault that
// a client has to survive, on request.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import {
  createServingAuthority,
  createServingLeaf,
} from '../../src/spiffe/authority/x509-authority.ts';
import { formatPemCertificate } from '../../src/spiffe/pem.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { JsonObject } from '../../src/template/json-value.ts';
import {
  type ApiRequest,
  answer,
  type Fault,
  failure,
  type Route,
  readRequest,
} from './fake-api-messages.ts';
import { FakeApiObjects } from './fake-api-objects.ts';
import { answerOne } from './fake-api-writes.ts';

export type { ApiObject, ApiRequest, Fault } from './fake-api-messages.ts';
export { failure } from './fake-api-messages.ts';

const TRUST_DOMAIN = parseTrustDomain('kube.test');
const PATH =
  /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([a-z]+)(?:\/([^/]+))?(?:\/(status))?$/;

export class FakeApiServer extends FakeApiObjects {
  token = 'api-token';
  readonly requests: ApiRequest[] = [];
  readonly faults: Fault[] = [];
  /** Answers of TokenReview by token. */
  readonly tokens = new Map<string, JsonObject>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  readonly ca: string;

  private constructor(ca: string, tls: { cert: string; key: string }) {
    super();
    this.ca = ca;
    this.#server = createServer(tls, (request, response) => {
      void this.#serve(request, response);
    });
    this.#server.on('secureConnection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
    });
  }

  static async start(): Promise<FakeApiServer> {
    const life = {
      trustDomain: TRUST_DOMAIN,
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 3_600_000,
    };
    const authority = await createServingAuthority(life);
    const leaf = await createServingLeaf({
      ...life,
      signedBy: authority,
      spiffeId: parseSpiffeId('spiffe://kube.test/api'),
      dnsNames: ['localhost'],
    });
    const server = new FakeApiServer(formatPemCertificate(authority.certificateDer), {
      cert: formatPemCertificate(leaf.certificateDer),
      key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    });
    await server.listen(0);
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(port, 'localhost', resolve);
    });
  }

  /** Goes down hard, as a machine does; `listen` with the same port brings it back. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.forgetWatches();
  }

  requestsOf(method: string, path: string): readonly ApiRequest[] {
    return this.requests.filter((each) => each.method === method && each.path === path);
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    const request = await readRequest(incoming);
    this.requests.push(request);
    const fault = this.#faultFor(request);
    if (fault !== undefined) {
      if (fault.act === 'stall') return;
      if (fault.act === 'drop') {
        incoming.socket.destroy();
        return;
      }
      const { status, headers = {}, body, raw } = fault.act;
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(raw ?? JSON.stringify(body ?? failure(status, 'Fault', 'a fault')));
      return;
    }
    if (request.token !== this.token) {
      answer(response, 401, failure(401, 'Unauthorized', 'Unauthorized'));
      return;
    }
    const match = PATH.exec(request.path);
    if (match === null) {
      answer(response, 404, failure(404, 'NotFound', 'no such path'));
      return;
    }
    const [, group = '', namespace, resource = '', name, subresource] = match;
    const route = { collection: `${group}/${resource}`, namespace, name, subresource };
    if (resource === 'tokenreviews') this.#review(request, response);
    else if (request.method === 'GET' && name === undefined) this.#read(route, request, response);
    else answerOne(this, { route, request }, response);
  }

  #faultFor(request: ApiRequest): Fault | undefined {
    const at = this.faults.findIndex((fault) => fault.on(request));
    const fault = this.faults[at];
    if (fault?.times === undefined) return fault;
    if (fault.times <= 1) this.faults.splice(at, 1);
    else this.faults[at] = { ...fault, times: fault.times - 1 };
    return fault;
  }

  #review({ body }: ApiRequest, response: ServerResponse): void {
    const spec = (body?.['spec'] ?? {}) as { token?: string };
    const status = this.tokens.get(spec.token ?? '') ?? { authenticated: false, error: 'unknown' };
    answer(response, 201, { ...body, status });
  }

  #read(route: Route, request: ApiRequest, response: ServerResponse): void {
    if (request.query.get('watch') === 'true') this.watch(route, request, response);
    else this.list(route, request.query, response);
  }
}
