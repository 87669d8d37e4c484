// The CSI Identity service: the plugin's name, and whether it can serve volumes now.

import { Identity } from '../../transport/gen/csi/csi_pb.ts';
import { bindService, type ServiceBinding } from '../../transport/rpc.ts';

export type CsiIdentityOptions = {
  readonly driverName: string;
  readonly version: string;
  /** False until recorded volumes are served again (CS-04: then OK with ready=false). */
  readonly ready: () => boolean;
};

export function csiIdentity(options: CsiIdentityOptions): ServiceBinding {
  return bindService(Identity, {
    getPluginInfo: async () => ({ name: options.driverName, vendorVersion: options.version }),
    // No controller: a node-only driver of ephemeral inline volumes offers nothing more (CS-03).
    getPluginCapabilities: async () => ({ capabilities: [] }),
    probe: async () => ({ ready: options.ready() }),
  });
}
