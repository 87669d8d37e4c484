// What the admission decisions need to know of this installation.

export type WebhookSettings = {
  /** The CSI driver's name, `csi.spiffe.io` unless two stacks run side by side. */
  readonly driverName: string;
  /** The namespace Signet itself runs in: nothing there may wait for Signet. */
  readonly ownNamespace: string;
};
