// Kubeconfig files: where the API server is, and a client certificate.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONTROL_PLANE_ADDRESS } from './layout.ts';

/** For the client certificate of that name. */
export function writeKubeconfig(directory: string, name: string): void {
  const file = (path: string): string => join(directory, 'pki', path);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      {
        name: 'c',
        cluster: {
          server: `https://${CONTROL_PLANE_ADDRESS}:6443`,
          'certificate-authority': file('ca.crt'),
        },
      },
    ],
    users: [
      {
        name: 'u',
        user: { 'client-certificate': file(`${name}.crt`), 'client-key': file(`${name}.key`) },
      },
    ],
  };
  const target = join(directory, `${name}.kubeconfig`);
  writeFileSync(target, JSON.stringify(config), { mode: 0o600 });
}
