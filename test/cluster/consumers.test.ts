// One annotation, and an official client finds what it reads: its variables, and a token for it in a
// file. What would defeat it is an Event of the pod.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { appId, appIdentity, optedIn, remove } from './lib/identities.ts';
import type { KubeObject } from './lib/kube-object.ts';

const cluster = attached();
const ANNOTATIONS = {
  'signet.dev/for': 'claude,postgres',
  'claude.signet.dev/federation-rule-id': 'fdrl_1',
  'claude.signet.dev/organization-id': 'org-1',
};

type Event = KubeObject & {
  readonly reason?: string;
  readonly message?: string;
  readonly involvedObject?: { readonly name?: string };
};

suite('an official client by annotation', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'consumers');
    await cluster.api.apply(appIdentity(namespace));
  });
  after(async () => {
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  const shell = async (name: string, script: string): Promise<string> => {
    const ran = await cluster.kubectl.exec(`${namespace}/${name}`, ['sh', '-c', script]);
    assert.equal(ran.status, 0, ran.stderr);
    return ran.stdout.trim();
  };

  test('its variables lead to files that are there', async () => {
    const pod = optedIn({ namespace, name: 'agent', annotations: ANNOTATIONS, args: ['idle'] });
    await cluster.api.create(pod);
    await whenReady(cluster, pod);
    const token = await shell('agent', 'cat "$ANTHROPIC_IDENTITY_TOKEN_FILE"');
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
    const claims = JSON.parse(payload) as Record<string, unknown>;
    assert.deepEqual(claims['aud'], ['https://api.anthropic.com']);
    assert.equal(claims['sub'], appId(namespace, 'agent'));
    assert.equal(
      await shell('agent', 'echo "$ANTHROPIC_FEDERATION_RULE_ID $PGSSLMODE"'),
      'fdrl_1 verify-full',
    );
    assert.match(await shell('agent', 'cat "$PGSSLCERT" "$PGSSLROOTCERT"'), /BEGIN CERTIFICATE/);
    assert.match(await shell('agent', 'cat "$PGSSLKEY"'), /BEGIN PRIVATE KEY/);
  });

  test('a variable that a client takes instead stays, and is an Event of the pod', async () => {
    const pod = optedIn({
      namespace,
      name: 'keyed',
      annotations: ANNOTATIONS,
      args: ['idle'],
      container: { env: [{ name: 'ANTHROPIC_API_KEY', value: 'sk-x' }] },
    });
    await cluster.api.create(pod);
    await whenReady(cluster, pod);
    assert.equal(await shell('keyed', 'echo "$ANTHROPIC_API_KEY"'), 'sk-x');
    const event = await until('the Event of the pod', async () => {
      const events = await cluster.api.list<Event>(`/api/v1/namespaces/${namespace}/events`);
      return events.find(({ reason }) => reason === 'ConflictingVariables');
    });
    assert.equal(event.involvedObject?.name, 'keyed');
    assert.match(event.message ?? '', /ANTHROPIC_API_KEY in agent/);
    assert.doesNotMatch(event.message ?? '', /sk-x/);
  });
});
