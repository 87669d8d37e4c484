// The webhook's HTTP face: a review in, a review out. Nothing a request holds makes it throw. What is
// no review is a 400, and what fails in here a 500: then the failure policy of the entry decides.

import { CodedError, invalid } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { AdmissionSettings } from '../../crds/admission/sample.ts';
import { findKind, VERSION } from '../../crds/custom-resource-definition.ts';
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpRoute,
  httpError,
} from '../../transport/http/http-route.ts';
import { validateCustomResource } from '../validate-custom-resource.ts';
import type { AdmissionCounts } from './admission-counts.ts';
import {
  MUTATE_PODS_PATH,
  VALIDATE_CLUSTER_SPIFFE_ID_PATH,
  VALIDATE_FEDERATED_TRUST_DOMAIN_PATH,
  VALIDATE_KINDS_PATH,
  VALIDATE_PODS_PATH,
} from './admission-paths.ts';
import { formatAdmissionResponse, type Verdict } from './admission-response.ts';
import { type AdmissionReview, parseAdmissionReview } from './admission-review.ts';
import { parseBoundedJson } from './bounded-json.ts';
import { decideMutation, decidePod, type PodContext } from './decide-pods.ts';

export type AdmissionContext = PodContext & {
  readonly admission: AdmissionSettings;
  readonly counts: AdmissionCounts;
  readonly log: Logger;
};

type Endpoint = {
  readonly path: string;
  /** A request about something else shows a configuration that does not fit. */
  readonly accepts: (review: AdmissionReview) => boolean;
  readonly decide: (review: AdmissionReview, context: AdmissionContext) => Verdict;
};

const ENDPOINTS: readonly Endpoint[] = [
  { path: MUTATE_PODS_PATH, accepts: isPod, decide: decideMutation },
  { path: VALIDATE_PODS_PATH, accepts: isPod, decide: decidePod },
  { path: VALIDATE_KINDS_PATH, accepts: isOurs, decide: decideKind },
  {
    path: VALIDATE_CLUSTER_SPIFFE_ID_PATH,
    accepts: (review) => isOurs(review) && review.kind.kind === 'ClusterSPIFFEID',
    decide: decideKind,
  },
  {
    path: VALIDATE_FEDERATED_TRUST_DOMAIN_PATH,
    accepts: (review) => isOurs(review) && review.kind.kind === 'ClusterFederatedTrustDomain',
    decide: decideKind,
  },
];

export function admissionRoutes(context: AdmissionContext): readonly HttpRoute[] {
  return ENDPOINTS.map((endpoint) => ({
    method: 'POST',
    path: endpoint.path,
    handle: (request) => answerReview(endpoint, request, context),
  }));
}

function answerReview(
  endpoint: Endpoint,
  { body }: HttpRequest,
  context: AdmissionContext,
): HttpAnswer {
  const { path } = endpoint;
  const { counts, log } = context;
  try {
    const review = readReview(endpoint, body);
    if (!(review instanceof CodedError)) return decide(endpoint, review, context);
    const { message } = review;
    counts.add(path, 'malformed');
    log.warn({ path, message }, 'Refused what is no admission review');
    return { status: 400, body: JSON.stringify({ error: message }) };
  } catch (err) {
    counts.add(path, 'failed');
    log.error({ path, err }, 'An admission decision failed');
    return httpError(500);
  }
}

/** The review, or what is wrong with it. */
function readReview({ accepts }: Endpoint, body: Uint8Array): AdmissionReview | CodedError {
  try {
    const review = parseAdmissionReview(parseBoundedJson(body));
    return accepts(review) ? review : invalid('request.kind: not decided at this path');
  } catch (thrown) {
    if (thrown instanceof CodedError) return thrown;
    throw thrown;
  }
}

function decide(
  endpoint: Endpoint,
  review: AdmissionReview,
  context: AdmissionContext,
): HttpAnswer {
  const { path } = endpoint;
  const { counts, log } = context;
  const verdict = endpoint.decide(review, context);
  const body = formatAdmissionResponse(review.uid, verdict);
  const { allowed, message, patch } = verdict;
  const outcome = !allowed ? 'refused' : patch.length > 0 ? 'patched' : 'allowed';
  counts.add(path, outcome);
  const at = { path, namespace: review.namespace, code: outcome };
  if (allowed) log.debug(at, 'Admitted an object');
  else log.info({ ...at, message: message.slice(0, MAX_LOGGED) }, 'Refused an object');
  return { status: 200, body };
}

const MAX_LOGGED = 512;

function isPod({ kind, resource }: AdmissionReview): boolean {
  return resource === 'pods' && kind.group === '' && kind.version === 'v1' && kind.kind === 'Pod';
}

function isOurs({ kind, resource, subResource }: AdmissionReview): boolean {
  const ours = findKind(kind.group, kind.kind);
  return ours?.plural === resource && kind.version === VERSION && subResource === '';
}

function decideKind(review: AdmissionReview, { admission }: AdmissionContext): Verdict {
  const { operation, object, oldObject } = review;
  const request = { operation, kind: review.kind.kind, object, oldObject };
  return { ...validateCustomResource(request, admission), patch: [] };
}
