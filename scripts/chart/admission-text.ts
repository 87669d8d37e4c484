// The webhook's configuration objects, the injection policies and the CRDs as templates of the chart.
// Placeholders stand for what is known only when it is installed.

import { stringify } from 'yaml';
import { customResourceDefinition, KINDS } from '../../src/crds/custom-resource-definition.ts';
import { isJsonObject, type JsonObject } from '../../src/template/json-value.ts';
import { injectionPolicies } from '../../src/webhook/injection-policy.ts';
import {
  mutatingWebhookConfiguration,
  validatingWebhookConfiguration,
} from '../../src/webhook/webhook-configuration.ts';

const PLACEHOLDERS: ReadonlyMap<string, string> = new Map([
  ['namespace-placeholder', '{{ .Release.Namespace }}'],
  ['driver-placeholder', '{{ .Values.driverName }}'],
]);
const [NAMESPACE = '', DRIVER = ''] = PLACEHOLDERS.keys();
const SETTINGS = { driverName: DRIVER, ownNamespace: NAMESPACE };
const OPTIONS = {
  name: 'signet',
  settings: SETTINGS,
  caBundle: '',
  service: { name: 'signet-webhook', namespace: NAMESPACE, port: 443 },
};
const LABELS = '  labels: {{- include "signet.labels" (list . "controller") | nindent 4 }}';
const YAML = { lineWidth: 0, aliasDuplicateObjects: false };

export function mutatingTemplate(): string {
  const text = document(withoutCaBundle(mutatingWebhookConfiguration(OPTIONS)));
  return `{{- if eq .Values.injection "webhook" }}\n${text}{{- end }}\n`;
}

export function validatingTemplate(): string {
  return document(withoutCaBundle(validatingWebhookConfiguration(OPTIONS)));
}

export function injectionTemplate(): string {
  const texts = injectionPolicies('signet', SETTINGS).map((each) => document(each));
  return `{{- if eq .Values.injection "policy" }}\n${texts.join('')}{{- end }}\n`;
}

/** The controller's leader writes it, and Helm must not take it away again. */
function withoutCaBundle(configuration: JsonObject): JsonObject {
  const webhooks = Array.isArray(configuration['webhooks']) ? configuration['webhooks'] : [];
  return {
    ...configuration,
    webhooks: webhooks.map((each) => {
      if (!isJsonObject(each) || !isJsonObject(each['clientConfig'])) return each;
      const { service } = each['clientConfig'];
      return { ...each, clientConfig: service === undefined ? {} : { service } };
    }),
  };
}

function document(object: JsonObject): string {
  let text = stringify(object, YAML).replace(/^metadata:\n {2}name: .*\n/m, `$&${LABELS}\n`);
  for (const [placeholder, expression] of PLACEHOLDERS) {
    text = text.replaceAll(placeholder, expression);
  }
  return `---\n${text}`;
}

/**
 * A CRD of somebody else is left alone unless the chart is told to adopt it: two owners would prune each
 * other's fields. What is ours stays when the chart goes, since its objects would go with it.
 */
export function crdTemplates(): readonly (readonly [name: string, text: string])[] {
  return KINDS.map((kind) => {
    const name = `${kind.plural}.${kind.group}`;
    const text = stringify(customResourceDefinition(kind), YAML)
      // Templates of the kinds may stand in descriptions.
      .replaceAll('{{', '{{ "{{" }}')
      .replace(/^metadata:\n {2}name: .*\n/m, (head) =>
        [head.trimEnd(), '  annotations: { helm.sh/resource-policy: keep }', LABELS, ''].join('\n'),
      );
    const lines = [
      `{{- $there := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "${name}" }}`,
      '{{- $owner := dig "metadata" "annotations" "meta.helm.sh/release-name" "" ($there | default dict) }}',
      '{{- $ours := or (not $there) (eq $owner .Release.Name) }}',
      '{{- if or (eq .Values.crds "adopt") (and (eq .Values.crds "own") $ours) }}',
    ];
    return [name, `${lines.join('\n')}\n---\n${text}{{- end }}\n`] as const;
  });
}
