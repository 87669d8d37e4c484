// What injection adds to a pod, as data: `mutate-pod` applies it, and an admission policy that
// injects without a webhook can be written from the same rows.

import { FILE_NAMES, FILES, JWT_AUDIENCE } from '../base/file-attributes.ts';
import type { JsonObject } from '../template/json-value.ts';

export type InjectionTable = {
  /** Its presence tells a later pass that the mounts are injected ones, not the author's wiring. */
  readonly annotation: { readonly name: string; readonly value: string };
  readonly volume: { readonly name: string; readonly csi: JsonObject };
  /** For every container, with the name of the volume. */
  readonly mount: { readonly mountPath: string; readonly readOnly: true };
  readonly env: { readonly name: string; readonly value: string };
  /** For pods that ask for files as well. */
  readonly files: {
    /** Of the pod, each an attribute of the same name on the volume. The first one asks. */
    readonly annotations: readonly string[];
    /** Without its name. */
    readonly volume: { readonly emptyDir: JsonObject };
    readonly mount: { readonly mountPath: string; readonly readOnly: true };
  };
};

/** The rows for one CSI driver; a read-only volume is what the driver accepts (KU-18). */
export function injectionTable(driverName: string): InjectionTable {
  return {
    annotation: { name: 'signet.dev/injected', value: 'true' },
    volume: { name: 'spiffe-workload-api', csi: { driver: driverName, readOnly: true } },
    mount: { mountPath: '/spiffe-workload-api', readOnly: true },
    env: {
      name: 'SPIFFE_ENDPOINT_SOCKET',
      value: 'unix:///spiffe-workload-api/spire-agent.sock',
    },
    files: {
      annotations: [FILES, FILE_NAMES, JWT_AUDIENCE],
      volume: { emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      mount: { mountPath: '/spiffe-files', readOnly: true },
    },
  };
}
