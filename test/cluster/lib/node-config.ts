// The configuration files of a node's programs.

import { join } from 'node:path';
import { PAUSE_IMAGE } from './images.ts';
import { DNS_SERVICE_ADDRESS } from './layout.ts';

type KubeletFacts = {
  readonly clusterDirectory: string;
  readonly name: string;
  readonly address: string;
};

export function kubeletConfig({ clusterDirectory, name, address }: KubeletFacts): object {
  const pki = (file: string): string => join(clusterDirectory, 'pki', file);
  const own = (file: string): string => join(clusterDirectory, name, file);
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: pki('ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: pki(`${name}.crt`),
    tlsPrivateKeyFile: pki(`${name}.key`),
    cgroupDriver: 'cgroupfs',
    // The kubelet refuses version 1 of cgroups unless told.
    failCgroupV1: false,
    failSwapOn: false,
    featureGates: { ClusterTrustBundle: true, ClusterTrustBundleProjection: true },
    staticPodPath: own('manifests'),
    containerRuntimeEndpoint: `unix://${own('containerd/containerd.sock')}`,
    clusterDomain: 'cluster.local',
    clusterDNS: [DNS_SERVICE_ADDRESS],
    resolvConf: own('resolv.conf'),
    address,
    healthzBindAddress: '127.0.0.1',
    evictionHard: { 'memory.available': '100Mi' },
    imageGCHighThresholdPercent: 100,
    maxPods: 250,
    podPidsLimit: -1,
  };
}

export function containerdConfig(directory: string): string {
  return `version = 2
root = "${directory}/containerd/root"
state = "${directory}/containerd/state"
[grpc]
  address = "${directory}/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/${PAUSE_IMAGE}"
  # Without CAP_SYS_RESOURCE nothing may lower an oom_score_adj.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${directory}/cni"
`;
}

export function cniConfig(directory: string, subnet: string): object {
  const ipam = {
    type: 'host-local',
    dataDir: join(directory, 'ipam'),
    ranges: [[{ subnet }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const bridge = { bridge: 'cni0', isGateway: true, ipMasq: false, hairpinMode: true, ipam };
  return {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      { type: 'bridge', ...bridge },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}
