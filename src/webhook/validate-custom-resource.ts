// Whether an object of one of our kinds may be stored. Pure: a request in, an answer out.

import { isDeepStrictEqual } from 'node:util';
import { CodedError } from '../base/errors.ts';
import type { AdmissionFindings } from '../crds/admission/findings.ts';
import type { AdmissionSettings } from '../crds/admission/sample.ts';
import { validateClusterSpiffeId } from '../crds/admission/validate-cluster-spiffe-id.ts';
import {
  validateClusterFederatedTrustDomain,
  validateClusterStaticEntry,
  validateIdentityRestriction,
} from '../crds/admission/validate-other-kinds.ts';
import { isJsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import { type AdmissionAnswer, answer } from './admission-answer.ts';
import { quote } from './json-path.ts';

export type CustomResourceRequest = {
  readonly operation: string;
  readonly kind: string;
  readonly object: JsonValue | undefined;
  readonly oldObject: JsonValue | undefined;
};

type Validator = (object: JsonValue | undefined, settings: AdmissionSettings) => AdmissionFindings;

const VALIDATORS: ReadonlyMap<string, Validator> = new Map([
  ['ClusterSPIFFEID', validateClusterSpiffeId],
  ['ClusterStaticEntry', validateClusterStaticEntry],
  ['ClusterFederatedTrustDomain', validateClusterFederatedTrustDomain],
  ['IdentityRestriction', validateIdentityRestriction],
]);

/**
 * Never throws, whatever the request holds. An update that leaves the spec alone is not refused:
 * labels must change and finalizers come off, also of objects that are older than a rule.
 */
export function validateCustomResource(
  request: CustomResourceRequest,
  settings: AdmissionSettings,
): AdmissionAnswer {
  const { operation, kind, object, oldObject } = request;
  if (operation !== 'CREATE' && operation !== 'UPDATE') return answer([], []);
  const validate = VALIDATORS.get(kind);
  if (validate === undefined) return answer([`kind ${quote(kind)} is not validated here`], []);
  try {
    const spec = specOf(object);
    const isSame = spec !== undefined && isDeepStrictEqual(spec, specOf(oldObject));
    if (operation === 'UPDATE' && isSame) return answer([], []);
    const { errors, warnings } = validate(object, settings);
    return answer(errors, warnings);
  } catch (thrown) {
    return answer([CodedError.from(thrown).message], []);
  }
}

function specOf(object: JsonValue | undefined): JsonValue | undefined {
  return isJsonObject(object) ? ownValue(object, 'spec') : undefined;
}
