// Pods that mount a volume of our driver, with one thing changed.

import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { validatePod } from '../../../src/webhook/validate-pod.ts';
import { driverVolume, makePod, makeRequest, mount, settings } from './pod-fixtures.ts';

export const validate = (pod: JsonValue) => validatePod(makeRequest(pod), settings);

/** A pod that mounts our driver as it should, with one thing changed. */
export function makeMounting(changes: { csi?: JsonObject; mount?: JsonObject; spec?: JsonObject }) {
  return makePod({
    spec: {
      volumes: [
        { name: 'data', emptyDir: {} },
        { ...driverVolume, csi: { ...driverVolume.csi, ...changes.csi } },
      ],
      containers: [
        {
          name: 'main',
          volumeMounts: [
            { name: 'data', mountPath: '/d' },
            { ...mount, ...changes.mount },
          ],
        },
      ],
      ...changes.spec,
    },
  });
}
