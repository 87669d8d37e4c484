// What the webhook must know of namespaces. A request says only which namespace it is in.

import type { JsonObject } from '../../template/json-value.ts';

export type NamespaceLabels = {
  /** Undefined when this namespace is not known, or not yet. */
  labelsOf(namespace: string): JsonObject | undefined;
};
