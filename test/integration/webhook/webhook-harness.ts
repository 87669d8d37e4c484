// The webhook over real TLS, and peers of it.

import { once } from 'node:events';
import { request } from 'node:https';
import { afterEach } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { Latest } from '../../../src/base/latest.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import type { TlsCertificate } from '../../../src/transport/http/https-server.ts';
import { MUTATE_PODS_PATH } from '../../../src/webhook/server/admission-paths.ts';
import {
  createWebhookServer,
  type WebhookServer,
  type WebhookServerOptions,
} from '../../../src/webhook/webhook-server.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { makeContext, makeReview, podRequest } from '../../unit/webhook/server/review-fixtures.ts';

export const HOST = '127.0.0.1';
export const SERVER_NAME = 'signet-webhook.signet-system.svc';
export const REVIEW = JSON.stringify(makeReview(podRequest));

export const ca = new TestCa('example.org');
const authorities = formatPemCertificate(ca.certificate);

export function issue(dnsName = SERVER_NAME, from = ca): TlsCertificate {
  const { chain, privateKey } = from.svid('/signet/webhook', { dnsNames: [dnsName] });
  return {
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

export const running: WebhookServer[] = [];

/** Whatever server a test starts is closed at its end. */
export function useServers(): void {
  afterEach(async () => {
    await Promise.all(running.splice(0).map(async (server) => await server.close()));
  });
}

type Running = {
  readonly server: WebhookServer;
  readonly port: number;
  readonly certificate: Latest<TlsCertificate>;
};

export async function start(options: Partial<WebhookServerOptions> = {}): Promise<Running> {
  const { settings, admission, namespaces } = makeContext();
  const certificate = new Latest<TlsCertificate>();
  certificate.set(issue());
  const server = createWebhookServer({
    settings,
    admission,
    namespaces,
    certificate,
    address: { port: 0, host: HOST },
    log: silentLogger,
    ...options,
  });
  running.push(server);
  await server.start();
  const { port } = server;
  if (port === undefined) throw new Error('no port');
  return { server, port, certificate };
}

/** A TLS connection after its handshake. */
export async function open(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    host: HOST,
    port,
    ca: authorities,
    servername: SERVER_NAME,
    ...options,
  });
  await once(socket, 'secureConnect');
  return socket;
}

/** Everything a peer says until it closes; empty when it just resets. */
export async function readAll(socket: TLSSocket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return Buffer.concat(chunks).toString();
}

type Posted = { readonly status: number; readonly body: string };

export async function post(port: number, body: string | Buffer, options: ConnectionOptions = {}) {
  return await new Promise<Posted>((resolve, reject) => {
    const sent = request({
      host: HOST,
      port,
      method: 'POST',
      path: MUTATE_PODS_PATH,
      ca: authorities,
      servername: SERVER_NAME,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      agent: false,
      ...options,
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      });
    });
    sent.end(body);
  });
}
