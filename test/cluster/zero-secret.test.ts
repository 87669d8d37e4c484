// An agent reaches what it needs with nothing but its identity: the example zero-secret-agent, against
// real servers. Somebody else with the same program gets nothing anywhere.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type Line, parseLines } from './lib/agent-pod.ts';
import { attached } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { forgedTokens } from './lib/forged-tokens.ts';
import { objectPath, type Pod } from './lib/kube-object.ts';
import type { LineFeed } from './lib/line-feed.ts';
import { filesOf, longLivedSecrets } from './lib/secret-scan.ts';
import {
  AGENTS,
  BACKENDS,
  CLAUDE_API,
  RESEARCHER,
  RULE,
  ZeroSecretExample,
} from './lib/zero-secret-run.ts';

const cluster = attached();
const LONG_MS = 40_000;
const STEPS = ['secrets', 'secrets-by-certificate', 'model', 'notes', 'reports'];

const good = (step: string) => (line: Line) => line['step'] === step && line['error'] === undefined;
const refused = (step: string) => (line: Line) =>
  line['step'] === step && line['error'] !== undefined;

suite('an agent with nothing but its identity', () => {
  const example = new ZeroSecretExample(cluster);
  let pod: Pod;
  let agent: LineFeed;

  before(async () => {
    await example.start();
    pod = await example.pod(AGENTS, 'researcher');
    agent = example.follow(pod);
    // Servers may take their first seconds.
    for (const step of STEPS) await agent.next(good(step), LONG_MS);
  });
  after(async () => {
    await example.end();
  });

  test('asks the Claude API by its official SDK, without a key', async () => {
    const line = await agent.next(good('model'));
    assert.equal(line['me'], RESEARCHER);
    assert.match(String(line['answer']), /^hello, /);
  });

  test('reads from OpenBao, by its certificate and by a JWT-SVID', async () => {
    for (const step of ['secrets', 'secrets-by-certificate']) {
      assert.equal((await agent.next(good(step)))['feed'], 'tmc');
    }
  });

  test('writes to PostgreSQL, which takes it for the user of its common name', async () => {
    const line = await agent.next(good('notes'));
    assert.deepEqual([line['author'], line['client_dn']], ['researcher', '/CN=researcher.agents']);
  });

  test('reaches PostgreSQL by psql, which knows nothing of identities', async () => {
    const counted = await until(
      'what psql says',
      async () => {
        const job = await example.pod(AGENTS, 'count-notes');
        return job.status?.phase === 'Succeeded' ? job : undefined;
      },
      { timeoutMs: LONG_MS, everyMs: 500 },
    );
    const at = `${AGENTS}/${counted.metadata.name ?? ''}`;
    assert.match(await cluster.kubectl.logs(at), /^\d+$/m);
  });

  test('stores reports by the AWS SDK where its role may, and nowhere else', async () => {
    assert.match(String((await agent.next(good('reports')))['tag']), /^"[0-9a-f]{32}"$/);
    const other = await agent.next(refused('other-bucket'));
    assert.match(String(other['error']), /denied/i);
    assert.equal(agent.lines.some(good('other-bucket')), false);
  });

  test('writes its counts to Prometheus, which takes them from this SPIFFE ID alone', async () => {
    const query = 'agent_steps_total{job="researcher"}';
    const counted = await until(
      'a count in Prometheus',
      async () => (await askPrometheus(pod, query)).found,
      { timeoutMs: LONG_MS, everyMs: 500 },
    );
    assert.ok(Number(counted) > 0);
    // A member of the trust domain that is not listed: no handshake. What curl sees of its end, in the
    // handshake, while it sends, while it reads, is a matter of the moment.
    const other = await askPrometheus(await example.pod(BACKENDS, 'openbao'), query);
    assert.equal(other.found, undefined);
    assert.match(other.error, /alert|reset|curl: \((?:35|52|55|56)\)/i);
  });

  test('has no long-lived secret in its environment, files and mappings', async () => {
    // One that is planted is found, and nothing else.
    const file = join(filesOf(pod), '../tmp/config.yaml');
    writeFileSync(file, `api_key: sk-ant-api03-${'a1'.repeat(20)}\n`);
    const found = longLivedSecrets(pod);
    rmSync(file);
    assert.deepEqual(found, [{ where: '/tmp/config.yaml', what: 'key of the Claude API' }]);
  });

  test('answers the agent that its access policy names, for what it may', async () => {
    const editor = example.follow(await example.pod(AGENTS, 'editor'));
    const isReport = ({ answer }: Line) => answer === 'The traffic was looked at.';
    await editor.next((line) => good('read')(line) && isReport(line), LONG_MS);
    const deleted = await editor.next(refused('delete'));
    assert.match(String(deleted['error']), /^403: .*NoRule/);
    const asked = agent.lines.filter(({ step }) => step === 'asked');
    assert.ok(asked.some(({ rule, allowed }) => rule === 'the-editor-reads' && allowed === true));
  });

  test('somebody else with the same programs is refused by all of them', async () => {
    const intern = await example.startAs('intern', 'researcher');
    const stranger = example.follow(intern);
    const why: Readonly<Record<string, RegExp>> = {
      secrets: /invalid subject \(sub\) claim/,
      'secrets-by-certificate': /OpenBao: .*invalid certificate|no chain matching/,
      model: /401|authentication/,
      notes: /certificate authentication failed for user "researcher"/,
      reports: /denied/i,
    };
    try {
      for (const step of STEPS) {
        const { error } = await stranger.next(refused(step), LONG_MS);
        assert.match(String(error), why[step] ?? /$^/);
      }
      assert.equal(
        STEPS.map(good).some((isGood) => stranger.lines.some(isGood)),
        false,
      );
      assert.ok((await example.refusals()).includes('match_subject_prefix'));
    } finally {
      await example.remove(intern);
    }
    const reader = example.follow(await example.startAs('reader', 'editor'));
    assert.match(String((await reader.next(refused('read'), LONG_MS))['error']), /^403: .*NoRule/);
  });

  test('the Claude API refuses a token for each rule that it breaks', async () => {
    const { good: whole, bad } = await forgedTokens(cluster, RULE);
    const before = (await example.refusals()).length;
    const tokens = [...whole, ...bad.map(({ token }) => token)];
    const at = `${AGENTS}/${pod.metadata.name ?? ''}`;
    const show = ['node', '/app/agent.mjs', 'exchange', CLAUDE_API, ...tokens];
    const { stdout, stderr } = await cluster.kubectl.exec(at, show);
    const statuses = parseLines(stdout).map(({ status }) => status);
    assert.deepEqual(statuses, [...whole.map(() => 200), ...bad.map(() => 401)], stderr);
    const reasons = await until('the reasons', async () => {
      const all = (await example.refusals()).slice(before);
      return all.length < bad.length ? undefined : all;
    });
    assert.equal(reasons.length, bad.length, JSON.stringify(reasons));
    for (const [index, { broken }] of bad.entries()) assert.match(reasons[index] ?? '', broken);
  });

  test('PostgreSQL shows a new certificate after a rotation, and no step fails', async () => {
    const before = await shownByPostgres();
    const failures = agent.lines.filter(refused('notes')).length;
    const policy = objectPath(example.object('ClusterSPIFFEID', 'backends'));
    await cluster.api.merge(policy, { spec: { ttl: '31m' } });
    await until('another certificate of PostgreSQL', async () => {
      const now = await shownByPostgres();
      return now.serialNumber === before.serialNumber ? undefined : true;
    });
    // On connections that are made after it.
    for (let more = 0; more < 4; more += 1) await agent.next(good('notes'));
    assert.equal(agent.lines.filter(refused('notes')).length, failures);
  });

  test('the agent’s own new certificate is what PostgreSQL sees next', async () => {
    const { client_serial: before } = await agent.next(good('notes'));
    const policy = objectPath(example.object('ClusterSPIFFEID', 'agents'));
    await cluster.api.merge(policy, { spec: { ttl: '14m' } });
    const isNew = (line: Line) => good('notes')(line) && line['client_serial'] !== before;
    assert.equal((await agent.next(isNew, LONG_MS))['author'], 'researcher');
  });

  /** The value of the first series, asked for with a pod's own certificate. */
  async function askPrometheus(
    as: Pod,
    query: string,
  ): Promise<{ readonly found: string | undefined; readonly error: string }> {
    const { status } = await example.pod(BACKENDS, 'prometheus');
    const name = 'prometheus.backends.svc';
    const script = `exec curl -sS --get --resolve ${name}:9090:${status?.podIP ?? ''} \
      --cert tls.crt --key tls.key --cacert ca.crt \
      --data-urlencode 'query=${query}' https://${name}:9090/api/v1/query`;
    const ran = await cluster.nodes[0]?.exec(['sh', '-c', `cd ${filesOf(as)} && ${script}`]);
    const answer = JSON.parse(ran?.stdout === '' ? '{}' : (ran?.stdout ?? '{}')) as {
      readonly data?: { readonly result: readonly { readonly value: readonly [number, string] }[] };
    };
    return { found: answer.data?.result[0]?.value[1], error: ran?.stderr ?? '' };
  }

  /** What the server shows to anybody, before it asks who that is. */
  async function shownByPostgres(): Promise<X509Certificate> {
    const { status } = await example.pod(BACKENDS, 'postgres');
    const [node] = cluster.nodes;
    const to = ['-starttls', 'postgres', '-connect', `${status?.podIP ?? ''}:5432`];
    const ran = await node?.exec(['openssl', 's_client', ...to]);
    const [pem = ''] = /-----BEGIN.*?END CERTIFICATE-----/s.exec(ran?.stdout ?? '') ?? [];
    return new X509Certificate(pem);
  }
});
