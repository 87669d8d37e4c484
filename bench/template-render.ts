// Nanoseconds to render a template, beside the limit no engine can pass: the same text put together
// by hand from the same fields, measured in turns with it in the same run.

import { type JsonObject, parseTemplate, type TemplateData } from '../src/template/template.ts';
import { type BenchResult, benchResult, inTurns } from './bench-result.ts';

const PODS = 256;
const RENDERS_A_ROUND = 20_000;
const ROUNDS = { warmUp: 10, kept: 40 };
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
  const nanos = inTurns(
    ROUNDS,
    () => nanosEach(pods, render),
    () => nanosEach(pods, byHand),
  );
  return benchResult({ name, unit: 'ns', ...nanos });
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

if (import.meta.main) for (const result of run()) console.log(JSON.stringify(result));
