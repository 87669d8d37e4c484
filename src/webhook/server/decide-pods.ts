// Admission requests about pods: what the pure decisions say of them, as verdicts.

import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../../template/json-value.ts';
import type { AdmissionPodRequest } from '../admission-pod.ts';
import { mutatePod, type PodMutation } from '../mutate-pod.ts';
import { INJECT_LABEL } from '../opt-in.ts';
import { validatePod } from '../validate-pod.ts';
import type { WebhookSettings } from '../webhook-settings.ts';
import type { Verdict } from './admission-response.ts';
import type { AdmissionReview } from './admission-review.ts';
import type { NamespaceLabels } from './namespace-labels.ts';

export type PodContext = {
  readonly settings: WebhookSettings;
  readonly namespaces: NamespaceLabels;
};

const UNAVAILABLE = 503;

/**
 * The API server asks about pods that opted in, by themselves or by their namespace. Where that hangs
 * on a namespace not known here yet, the pod is refused and made again a moment later: let through, it
 * would run without its identity for as long as it lives.
 */
export function decideMutation(review: AdmissionReview, context: PodContext): Verdict {
  const labels = context.namespaces.labelsOf(review.namespace);
  const mutate = (known: JsonObject) => mutatePod(podRequest(review, known), context.settings);
  if (labels !== undefined) return allowed(mutate(labels));
  const unlabelled = mutate({});
  const labelled = mutate({ [INJECT_LABEL]: 'true' });
  if (isDeepStrictEqual(unlabelled.patch, labelled.patch)) return allowed(unlabelled);
  const message = `namespace ${review.namespace}: its labels are not known yet, try again`;
  return { allowed: false, code: UNAVAILABLE, message, warnings: [], patch: [] };
}

export function decidePod(review: AdmissionReview, { settings }: PodContext): Verdict {
  return { ...validatePod(podRequest(review, {}), settings), patch: [] };
}

function podRequest(review: AdmissionReview, labels: JsonObject): AdmissionPodRequest {
  const { operation, subResource, namespace, object, oldObject } = review;
  return {
    operation,
    subresource: subResource,
    namespace: { name: namespace, labels },
    pod: object,
    oldPod: oldObject,
  };
}

function allowed({ patch, warnings }: PodMutation): Verdict {
  return { allowed: true, message: '', warnings, patch };
}
