// Nanoseconds to render a template, beside the limit no engine can pass: the same text put together
// by hand from the same fields, measured in turns with it in the same run.

import { type JsonObject, parseTemplate, type TemplateData } from '../src/template/template.ts';

/** `limit` is what the machine could do at best; `ratio` how much of it was reached. */
export type BenchResult = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly limit: number;
  readonly ratio: number;
};

const PODS = 256;
const RENDERS_A_ROUND = 20_000;
const ROUNDS = 40;
const WARM_UP_ROUNDS = 10;
const ID_TEMPLATE =
  'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}';
const CONDITIONAL_TEMPLATE = `${ID_TEMPLATE}{{ if eq .PodMeta.Labels.tier "front" }}/front{{ end }}`;

type Rendering = (data: TemplateData) => string;

export function run(): readonly BenchResult[] {
  const pods = Array.from({ length: PODS }, (_, index) => newData(index));
  const byHand: Rendering = ({ trustDomain, pod }) =>
    `spiffe://${trustDomain}/ns/${pod?.metadata['namespace'] as string}/sa/${pod?.spec['serviceAccountName'] as string}`;
  const conditionalByHand: Rendering = (data) => {
    const labels = data.pod?.metadata['labels'];
    const tier = typeof labels === 'object' && labels !== null && (labels as JsonObject)['tier'];
    return byHand(data) + (tier === 'front' ? '/front' : '');
  };
  return [
    measure('template-render-id', pods, [ID_TEMPLATE, byHand]),
    measure('template-render-conditional', pods, [CONDITIONAL_TEMPLATE, conditionalByHand]),
  ];
}

function measure(
  name: string,
  pods: readonly TemplateData[],
  [source, byHand]: readonly [string, Rendering],
): BenchResult {
  const template = parseTemplate(name, source);
  const render: Rendering = (data) => template.render(data);
  for (const data of pods) {
    if (render(data) !== byHand(data)) throw new Error(`${name}: the texts differ`);
  }
  const rendered: number[] = [];
  const limits: number[] = [];
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    const ours = nanosEach(pods, render);
    const least = nanosEach(pods, byHand);
    if (round < 0) continue;
    rendered.push(ours);
    limits.push(least);
  }
  const [value, limit] = [median(rendered), median(limits)];
  return {
    name,
    value: Math.round(value),
    unit: 'ns',
    limit: Math.round(limit),
    ratio: Math.round((limit / value) * 1000) / 1000,
  };
}

function newData(index: number): TemplateData {
  const metadata = {
    name: `web-${index}`,
    namespace: `city-${index % 7}`,
    uid: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
    labels: { app: 'web', tier: index % 2 === 0 ? 'front' : 'back' },
  };
  const spec = { serviceAccountName: `traffic-controller-${index % 11}`, containers: [] };
  const names = { trustDomain: 'example.org', clusterName: 'c1', clusterDomain: 'cluster.local' };
  return { ...names, pod: { metadata, spec } };
}

/** The characters are looked at, so that no engine may leave the text unmade. */
function nanosEach(pods: readonly TemplateData[], render: Rendering): number {
  let codes = 0;
  const start = performance.now();
  for (let count = 0; count < RENDERS_A_ROUND; count += 1) {
    const data = pods[count % PODS];
    if (data !== undefined) codes += render(data).charCodeAt(12);
  }
  const elapsed = performance.now() - start;
  if (codes === 0) throw new Error('nothing was rendered');
  return (elapsed * 1e6) / RENDERS_A_ROUND;
}

/** A neighbour on the machine spoils some rounds, not most. */
function median(rounds: readonly number[]): number {
  return rounds.toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? Number.NaN;
}

if (import.meta.main) for (const result of run()) console.log(JSON.stringify(result));
