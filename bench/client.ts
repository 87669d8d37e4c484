// Requests a second over mTLS by the client package, whose certificates are renewed every ten seconds or so
// on both sides, beside node:tls with files that stay as they are: with client certificates, and the server's
// alone. Client and server share this process, in every line. New connections are full handshakes for all.

import { once } from 'node:events';
import { Agent, createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { createHttpsServer, httpsAgent, memberOf, X509Source } from '../client/src/index.ts';
import { formatPemCertificate } from '../src/spiffe/pem.ts';
import { type BenchResult, benchResult, percentile } from './bench-result.ts';
import { POLICY, startSmallCluster, TRUST_DOMAIN } from './small-cluster/small-cluster.ts';

/** Renewed at about half of it. */
const TTL_S = 20;
const ROUND_MS = 1000;
const WARM_UP = 2;
const ROUNDS = 9;
const IN_FLIGHT = 16;
const BODY = 'x'.repeat(1024);

type Side = { readonly server: Server; readonly agent: (keepAlive: boolean) => Agent };
type Mode = { readonly name: string; readonly keepAlive: boolean };

const MODES: readonly Mode[] = [
  { name: 'on kept connections', keepAlive: true },
  { name: 'each on a new connection', keepAlive: false },
];

export async function run(): Promise<readonly BenchResult[]> {
  const cluster = await startSmallCluster();
  const sources: X509Source[] = [];
  for (const pod of await cluster.warmPods(2)) {
    await cluster.runner.publish(pod);
    sources.push(new X509Source({ address: cluster.addressOf(pod) }));
  }
  const [client, serving] = sources;
  if (client === undefined || serving === undefined) throw new Error('no sources');
  await Promise.all([client.ready(), serving.ready()]);
  const seen = new Set<unknown>();
  const stop = new AbortController();
  const counting = countCertificates(client, seen, stop.signal);
  // Of these the files are made: they are good for longer than this runs.
  const files = { mutual: fixed(client, true), plain: fixed(client, false) };
  const spec = { ...POLICY.spec, ttl: `${TTL_S}s` };
  cluster.apply('ClusterSPIFFEID', 'all', { ...POLICY, spec });
  const sides = { ours: ours(client, serving), ...files };
  const results: BenchResult[] = [];
  for (const mode of MODES) {
    const rates = await measure(sides, mode);
    for (const [against, limit] of [
      ['node:tls, both certificates in files', rates.mutual],
      ["node:tls, the server's certificate alone", rates.plain],
    ] as const) {
      const name = `client: requests ${mode.name}, beside ${against}`;
      results.push(benchResult({ name, value: rates.ours, unit: 'requests/s', limit }));
    }
  }
  stop.abort();
  await counting;
  if (seen.size < 2) throw new Error('no certificate was renewed meanwhile');
  for (const { server } of Object.values(sides)) server.close();
  for (const source of sources) source.close();
  await cluster.stop();
  return results;
}

function ours(client: X509Source, serving: X509Source): Side {
  const authorize = memberOf(TRUST_DOMAIN);
  return {
    server: createHttpsServer({ source: serving, authorize }, (_, response) => response.end(BODY)),
    agent: (keepAlive) => httpsAgent({ source: client, authorize }, { keepAlive }),
  };
}

/** The best there is: contexts made once, of what one source holds now. */
function fixed({ svid, bundles }: X509Source, isMutual: boolean): Side {
  const ca = [...bundles.values()].flatMap(({ authorities }) =>
    authorities.map(formatPemCertificate),
  );
  const own = {
    cert: svid.chain.map(formatPemCertificate).join(''),
    key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  const secureContext: SecureContext = createSecureContext(isMutual ? { ca, ...own } : { ca });
  const server = createServer({ ...own, ca, requestCert: isMutual }, (_, response) =>
    response.end(BODY),
  );
  const checkServerIdentity = (): undefined => undefined;
  return {
    server,
    agent: (keepAlive) =>
      new Agent({ keepAlive, maxCachedSessions: 0, secureContext, checkServerIdentity }),
  };
}

async function measure<Name extends string>(
  sides: Readonly<Record<Name, Side>>,
  mode: Mode,
): Promise<Record<Name, number>> {
  const names = Object.keys(sides) as Name[];
  const rates = new Map<Name, number[]>(names.map((name) => [name, []]));
  // Kept from round to round, so that kept connections are made while nothing is measured.
  const agents = new Map(names.map((name) => [name, sides[name].agent(mode.keepAlive)]));
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    for (const name of names) {
      const rate = await requestsPerSecond(sides[name].server, agents.get(name));
      if (round >= 0) rates.get(name)?.push(rate);
    }
  }
  for (const agent of agents.values()) agent.destroy();
  const medians = names.map((name) => [name, percentile(rates.get(name) ?? [], 0.5)]);
  return Object.fromEntries(medians) as Record<Name, number>;
}

async function requestsPerSecond(server: Server, agent: Agent | undefined): Promise<number> {
  if (!server.listening) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const { port } = server.address() as AddressInfo;
  let count = 0;
  const start = performance.now();
  const ask = async (): Promise<void> => {
    while (performance.now() - start < ROUND_MS) {
      await get(port, agent);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, ask));
  return (count * 1000) / (performance.now() - start);
}

async function get(port: number, agent: Agent | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, agent: agent ?? false }, (response) => {
      response.resume().once('end', resolve);
    });
    asked.once('error', reject).end();
  });
}

async function countCertificates(source: X509Source, seen: Set<unknown>, signal: AbortSignal) {
  for await (const state of source.changes(signal)) {
    if (state.status === 'current')
      seen.add(Buffer.from(source.svid.chain[0] ?? []).toString('hex'));
  }
}

if (import.meta.main) for (const result of await run()) console.log(JSON.stringify(result));
