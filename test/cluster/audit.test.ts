// Audit logs of a running installation: what the pods printed, beside what the Lease and the nodes kept.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { AUDIT_LEASE, anchorsIn } from '../../src/audit/audit-anchor.ts';
import { readLine } from '../../src/audit/audit-chain.ts';
import type { AuditReport } from '../../src/audit/verify-audit.ts';
import type { JsonObject } from '../../src/template/json-value.ts';
import { whenEnded } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { attempt, type Output, until } from './lib/commands.ts';
import { appId, appIdentity, optedIn, remove } from './lib/identities.ts';
import { ROOT } from './lib/images.ts';
import type { KubeObject } from './lib/kube-object.ts';
import { figure } from './lib/report.ts';
import { SIGNET_NAMESPACE } from './lib/signet.ts';

const cluster = attached();
const PODS = `/api/v1/namespaces/${SIGNET_NAMESPACE}/pods`;
const OURS = 'app.kubernetes.io/name=signet';
const CORE = `/apis/coordination.k8s.io/v1/namespaces/${SIGNET_NAMESPACE}`;
const CA = `/api/v1/namespaces/${SIGNET_NAMESPACE}/configmaps/signet-issuer-ca`;
const TIMEOUT_MS = 60_000;

async function audit(...args: readonly string[]): Promise<Output> {
  const { directory, prefix } = cluster.controlPlane;
  const program = [process.execPath, '--conditions=source', join(ROOT, 'src/main.ts'), 'audit'];
  return await attempt([...prefix, ...program, ...args, '-o', 'json'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], KUBECONFIG: join(directory, 'admin.kubeconfig') },
  });
}

suite('audit', () => {
  const since = new Date().toISOString();
  const directory = mkdtempSync(join(tmpdir(), 'signet-audit-'));
  /** By name of the pod, with the Lease as it was before they were read. */
  const logs = new Map<string, readonly string[]>();
  let lease = '';
  let namespace = '';

  before(async () => {
    namespace = await freshNamespace(cluster, 'audit');
    await cluster.api.apply(appIdentity(namespace));
    const pod = optedIn({ namespace, name: 'agent', args: ['once'] });
    await cluster.api.create(pod);
    await whenEnded(cluster, pod, TIMEOUT_MS);
    const done = await until('a checkpoint over the lines', collect, {
      timeoutMs: TIMEOUT_MS,
      everyMs: 1000,
    });
    assert.ok(done);
  });
  after(async () => {
    rmSync(directory, { recursive: true });
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  /** True once what was issued to our pod is under a checkpoint that the Lease keeps. */
  async function collect(): Promise<true | undefined> {
    const object = await cluster.api.get<KubeObject & JsonObject>(`${CORE}/leases/${AUDIT_LEASE}`);
    const { checkpoints, malformed } = anchorsIn(object);
    assert.deepEqual(malformed, []);
    const pods = await cluster.api.list(`${PODS}?labelSelector=${encodeURIComponent(OURS)}`);
    for (const { metadata } of pods) {
      const name = metadata.name ?? '';
      if (name.startsWith('signet-node')) continue;
      const text = await cluster.kubectl.logs(`${SIGNET_NAMESPACE}/${name}`).catch(() => '');
      logs.set(name, text.split('\n'));
    }
    lease = JSON.stringify(object);
    const issued = [...logs.values()].flat().filter((line) => isIssued(line));
    const isKept =
      issued.length > 0 &&
      issued.every((line) => {
        const { chain, sequence } = readLine(line) ?? { chain: '', sequence: 0 };
        return checkpoints.some((kept) => kept.chain === chain && kept.sequence >= sequence);
      });
    return isKept || undefined;
  }

  function isIssued(line: string): boolean {
    return line.includes('"event":"X509SvidIssued"') && line.includes(appId(namespace, 'agent'));
  }

  async function verify(files: ReadonlyMap<string, readonly string[]>): Promise<AuditReport> {
    const { data } = await cluster.api.get<KubeObject & { readonly data: Record<string, string> }>(
      CA,
    );
    const [anchor, ca] = [join(directory, 'lease.json'), join(directory, 'ca.crt')];
    writeFileSync(anchor, lease);
    writeFileSync(ca, data['ca.crt'] ?? '');
    const paths = [...files].map(([name, lines]) => {
      const path = join(directory, `${name}.log`);
      writeFileSync(path, lines.join('\n'));
      return path;
    });
    // Other tests have ended processes whose logs went with their pods.
    const asked = ['--partial', '--since', since, '--anchor', anchor, '--ca', ca];
    const { status, stdout, stderr } = await audit('verify', ...paths, ...asked);
    assert.ok(stdout !== '', stderr);
    const report = JSON.parse(stdout) as AuditReport;
    assert.equal(status, report.ok ? 0 : 1, stderr);
    return report;
  }

  /** The log that has our line, and where. */
  function ours(): {
    readonly name: string;
    readonly lines: readonly string[];
    readonly at: number;
  } {
    for (const [name, lines] of logs) {
      const at = lines.findIndex((line) => isIssued(line));
      if (at >= 0) return { name, lines, at };
    }
    assert.fail('no line of the pod');
  }

  test('what all of them printed is whole, signed, and as far as the Lease says', async () => {
    const report = await verify(logs);
    assert.deepEqual(report.problems, []);
    const issuers = report.chains.filter(({ replica }) => replica.startsWith('signet-issuer'));
    const controllers = report.chains.filter(({ replica }) =>
      replica.startsWith('signet-controller'),
    );
    assert.ok(issuers.length >= 2 && controllers.length >= 2, JSON.stringify(report.chains));
    assert.ok([...issuers, ...controllers].every(({ checkpoints }) => checkpoints > 0));
    figure(
      'audit lines of an installation',
      issuers.reduce((sum, { lines }) => sum + lines, 0),
      '',
    );
  });

  test('one line that was changed is noticed, with its place', async () => {
    const { name, lines, at } = ours();
    const edited = lines.with(at, (lines[at] ?? '').replace('/app/agent', '/app/other'));
    const { problems } = await verify(new Map(logs).set(name, edited));
    assert.deepEqual(
      problems.map(({ problem, file, line }) => [problem, file, line]),
      [['Edited', join(directory, `${name}.log`), at + 1]],
    );
  });

  test('lines that were cut off are noticed', async () => {
    const { name, lines, at } = ours();
    const { problems } = await verify(new Map(logs).set(name, lines.slice(0, at)));
    assert.ok(
      problems.some(({ problem, replica }) => problem === 'CutAtEnd' && replica === name),
      JSON.stringify(problems),
    );
  });

  test('a replica that is missing is noticed', async () => {
    const { name } = ours();
    const { problems } = await verify(new Map([...logs].filter(([each]) => each !== name)));
    assert.ok(
      problems.some(({ problem, replica }) => problem === 'MissingChain' && replica === name),
      JSON.stringify(problems),
    );
  });

  test('one command reads it all from the cluster, and says who a serial number was', async () => {
    const whole = await audit('verify', '--cluster', '--partial', '--since', since);
    assert.equal(whole.status, 0, whole.stdout + whole.stderr);
    const { lines, at } = ours();
    const serial = String(readLine(lines[at] ?? '')?.fields['serial']);
    const { status, stdout } = await audit('query', '--cluster', '--serial', serial);
    const { records } = JSON.parse(stdout) as { records: readonly Record<string, unknown>[] };
    const [issued] = records.filter(({ event }) => event === 'X509SvidIssued');
    assert.equal(status, 0);
    assert.deepEqual(
      [issued?.['pod'], issued?.['spiffeId'], issued?.['policy'], issued?.['decision']],
      [`${namespace}/agent`, appId(namespace, 'agent'), namespace, 'allowed'],
    );
    assert.ok(Number(issued?.['generation']) >= 1);
  });
});
