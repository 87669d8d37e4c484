// An agent reaches what it needs with nothing but its identity: the example zero-secret-agent, against
// real servers. Somebody else with the same program gets nothing anywhere.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { type Line, parseLines } from './lib/agent-pod.ts';
import { attached } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { forgedTokens } from './lib/forged-tokens.ts';
import { objectPath, type Pod } from './lib/kube-object.ts';
import type { LineFeed } from './lib/line-feed.ts';
import { longLivedSecrets } from './lib/secret-scan.ts';
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
  let example: ZeroSecretExample;
  let pod: Pod;
  let agent: LineFeed;

  before(async () => {
    example = await ZeroSecretExample.start(cluster);
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

  test('stores reports by the AWS SDK where its role may, and nowhere else', async () => {
    assert.match(String((await agent.next(good('reports')))['tag']), /^"[0-9a-f]{32}"$/);
    const other = await agent.next(refused('other-bucket'));
    assert.match(String(other['error']), /denied/i);
    assert.equal(agent.lines.some(good('other-bucket')), false);
  });

  test('has no long-lived secret in its environment, files and mappings', async () => {
    const uid = pod.metadata.uid ?? '';
    assert.deepEqual(longLivedSecrets(uid), []);
    // One that is planted is found.
    const key = `sk-ant-api03-${'a1'.repeat(20)}`;
    const at = `${AGENTS}/${pod.metadata.name ?? ''}`;
    const planted = ['sh', '-c', `echo "api_key: ${key}" >/tmp/config.yaml`];
    assert.equal((await cluster.kubectl.exec(at, planted)).status, 0);
    const what = 'key of the Claude API';
    assert.deepEqual(longLivedSecrets(uid), [{ where: '/tmp/config.yaml', what }]);
    assert.equal((await cluster.kubectl.exec(at, ['rm', '/tmp/config.yaml'])).status, 0);
  });

  test('answers the agent that its access policy names, for what it may', async () => {
    const editor = example.follow(await example.pod(AGENTS, 'editor'));
    const read = await editor.next(good('read'), LONG_MS);
    assert.equal(read['answer'], 'The traffic was looked at.');
    const deleted = await editor.next(refused('delete'));
    assert.match(String(deleted['error']), /^403: .*NoRule/);
    const asked = agent.lines.filter(({ step }) => step === 'asked');
    assert.ok(asked.some(({ rule, allowed }) => rule === 'the-editor-reads' && allowed === true));
  });

  test('somebody else with the same programs is refused by all of them', async () => {
    const intern = await example.startAs('intern', 'researcher');
    const stranger = example.follow(intern);
    const why: Readonly<Record<string, RegExp>> = {
      secrets: /sub claim does not match/,
      'secrets-by-certificate': /OpenBao: .*invalid certificate|no chain matching/,
      model: /401|authentication/,
      notes: /certificate authentication failed for user "researcher"/,
      reports: /denied/i,
    };
    for (const step of STEPS) {
      assert.match(
        String((await stranger.next(refused(step), LONG_MS))['error']),
        why[step] ?? /$^/,
      );
    }
    assert.equal(
      STEPS.some((step) => stranger.lines.some(good(step))),
      false,
    );
    assert.ok((await example.refusals()).includes('match_subject_prefix'));
    await example.remove(intern);
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
