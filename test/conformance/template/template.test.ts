// Our templates against Go's text/template over the real Kubernetes types: the same output, byte
// by byte, or an error at the same stage.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { CodedError } from '../../../src/base/errors.ts';
import { parseTemplate, type TemplateData } from '../../../src/template/template.ts';
import { newRandom } from './choice.ts';
import { Generator } from './generator.ts';
import { HAND_PICKED } from './hand-picked.ts';
import { isKnownDifference } from './known-differences.ts';

type Case = { readonly template: string; readonly data: TemplateData };
type Answer = { readonly out?: string; readonly error?: string; readonly at?: string };

const GENERATED = 4000;
/** So that several processes can look for more: `SEED=7 COUNT=20000 node --test …`. */
const seed = Number(process.env['SEED'] ?? 1);
const count = Number(process.env['COUNT'] ?? GENERATED);
const FIXTURES = join(import.meta.dirname, '../../fixtures/groundtruth');
const hasGo = spawnSync('go', ['version']).status === 0;
const skip = hasGo || process.env['CI'] === 'true' ? false : 'needs go';

suite('Go text/template', { skip }, () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'signet-template-'));
    const env = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' };
    const cwd = import.meta.dirname;
    execFileSync('go', ['build', '-o', join(directory, 'execute'), '.'], { cwd, env });
    return () => rmSync(directory, { recursive: true, force: true });
  });

  function compare(cases: readonly Case[]): void {
    const answers = cases.map((each) => ({ ...each, ours: ourAnswer(each) }));
    // Go would run some of the others until its memory ends.
    const bounded = answers.filter(({ ours }) => !isKnownDifference(ours));
    const input = bounded
      .map(({ template, data }) => JSON.stringify({ template, data }))
      .join('\n');
    const lines = execFileSync(join(directory, 'execute'), {
      input,
      maxBuffer: 2 ** 30,
      timeout: 30_000,
    })
      .toString()
      .trimEnd()
      .split('\n');
    assert.equal(lines.length, bounded.length);
    assert.ok(bounded.length >= cases.length * 0.7, 'most are compared');
    const wrong: string[] = [];
    for (const [index, { template, data, ours }] of bounded.entries()) {
      const go = JSON.parse(lines[index] ?? '') as Answer;
      const theirs = goAnswer(go);
      if (theirs === ours.answer) continue;
      const pod = JSON.stringify(data.pod?.metadata['name']);
      wrong.push(
        `${JSON.stringify(template)} with ${pod}\n  go   ${theirs} ${go.error ?? ''}\n  ours ${ours.answer} ${ours.error ?? ''}`,
      );
    }
    assert.equal(wrong.length, 0, `${wrong.length} differ:\n${wrong.slice(0, 25).join('\n')}`);
  }

  test('E1–E8: what the scenarios of the existing controller render', () => {
    const data = podsWithNodes();
    compare(
      scenarioTemplates().flatMap((template) => data.map((each) => ({ template, data: each }))),
    );
  });

  test('each function, action and zero value, with each kind of pod', () => {
    const data = [richData(), ...podsWithNodes().slice(0, 3), { ...EMPTY }];
    compare(HAND_PICKED.flatMap((template) => data.map((each) => ({ template, data: each }))));
  });

  test('generated templates', () => {
    const random = newRandom(seed);
    const generator = new Generator(random);
    const pool = [richData(), richData(), richData(), EMPTY, ...podsWithNodes().slice(0, 12)];
    compare(
      Array.from({ length: count }, () => ({
        template: generator.template(),
        data: pool[Math.floor(random() * pool.length)] ?? EMPTY,
      })),
    );
  });
});

const EMPTY: TemplateData = {
  trustDomain: 'example.org',
  clusterName: '',
  clusterDomain: 'c.local',
};

function goAnswer({ out, error, at }: Answer): string {
  if (error !== undefined) return `${at} error`;
  const bytes = Buffer.from(out ?? '', 'base64');
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? JSON.stringify(text) : 'not UTF-8';
}

function ourAnswer({ template: source, data }: Case): { answer: string; error?: string } {
  let stage = 'parse';
  try {
    const template = parseTemplate('t', source);
    stage = 'render';
    return { answer: JSON.stringify(template.render(data)) };
  } catch (thrown) {
    if (!(thrown instanceof CodedError)) throw thrown;
    return { answer: `${stage} error`, error: thrown.message };
  }
}

type Stored = {
  readonly metadata: { [key: string]: never };
  readonly spec: { [key: string]: never };
};

function stored(name: string): readonly Stored[] {
  return JSON.parse(readFileSync(join(FIXTURES, name), 'utf8')) as Stored[];
}

function podsWithNodes(): readonly TemplateData[] {
  const nodes = stored('nodes-as-stored.json');
  return stored('pods-as-stored.json').map((pod) => {
    const node = nodes.find(({ metadata }) => metadata['name'] === pod.spec['nodeName']);
    const data = { trustDomain: 'peer.test', clusterName: 'peer', clusterDomain: 'cluster.local' };
    return { ...data, pod: part(pod), ...(node === undefined ? {} : { node: part(node) }) };
  });
}

function part({ metadata, spec }: Stored): Stored {
  return { metadata, spec };
}

function richData(): TemplateData {
  const pod = JSON.parse(
    readFileSync(join(import.meta.dirname, 'rich-pod.json'), 'utf8'),
  ) as Stored;
  const spec = { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24'], providerID: 'aws:///x/i-1' };
  const taints = [
    { key: 'k', value: 'v', effect: 'NoSchedule', timeAdded: '2026-01-02T03:04:05Z' },
  ];
  const metadata = { name: 'node-1', uid: 'n-1', labels: { zone: 'eu-1' } };
  const node = { metadata, spec: { ...spec, taints } };
  return {
    trustDomain: 'example.org',
    clusterName: 'c1',
    clusterDomain: 'cluster.local',
    pod,
    node,
  };
}

function scenarioTemplates(): readonly string[] {
  const scenarios = join(FIXTURES, 'scenarios');
  return readdirSync(scenarios, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .toSorted()
    .flatMap((name) => {
      const { spec } = parseYaml(readFileSync(join(scenarios, name), 'utf8')) as {
        spec: { [field: string]: string | readonly string[] | undefined };
      };
      const { spiffeIDTemplate = [], dnsNameTemplates = [], workloadSelectorTemplates = [] } = spec;
      return [spiffeIDTemplate, dnsNameTemplates, workloadSelectorTemplates].flat();
    });
}
