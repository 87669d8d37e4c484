// The webhook configurations as the tests read them.

import type { JsonObject } from '../../../src/template/json-value.ts';
import type { LabelRequirement } from '../../../src/webhook/opt-in-entries.ts';
import {
  mutatingWebhookConfiguration,
  validatingWebhookConfiguration,
} from '../../../src/webhook/webhook-configuration.ts';
import { settings } from './pod-fixtures.ts';

export type Condition = { readonly name: string; readonly expression: string };
export type Selector = { readonly matchExpressions?: readonly LabelRequirement[] };
type Webhook = {
  readonly name: string;
  readonly admissionReviewVersions: readonly string[];
  readonly clientConfig: {
    readonly caBundle: string;
    readonly service: {
      readonly name: string;
      readonly namespace: string;
      readonly port: number;
      readonly path: string;
    };
  };
  readonly rules: readonly JsonObject[];
  readonly namespaceSelector: Selector;
  readonly objectSelector: Selector;
  readonly matchConditions?: readonly Condition[];
  readonly failurePolicy: string;
  readonly reinvocationPolicy?: string;
  readonly matchPolicy: string;
  readonly sideEffects: string;
  readonly timeoutSeconds: number;
};
type Configuration = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly webhooks: readonly Webhook[];
};

export const options = {
  name: 'signet',
  settings,
  caBundle: '-----BEGIN CERTIFICATE-----\n',
  service: { name: 'signet-webhook', namespace: 'signet-system', port: 443 },
};
export const mutating = mutatingWebhookConfiguration(options) as unknown as Configuration;
export const validating = validatingWebhookConfiguration(options) as unknown as Configuration;
export const all = [...mutating.webhooks, ...validating.webhooks];

export const find = (name: string) => {
  const found = all.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no webhook ${name}`);
  return found;
};
