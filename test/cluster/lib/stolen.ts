// What an attacker might hold: tokens, and a program that shows them to the issuer.

import { agentPod, type Line, whenEnded } from './agent-pod.ts';
import type { Cluster } from './cluster.ts';
import { type KubeObject, objectPath, type Pod } from './kube-object.ts';
import type { ClusterNode } from './node.ts';
import { SIGNET_NAMESPACE, TRUST_DOMAIN } from './signet.ts';
import { without } from './without.ts';

export const AUDIENCE = `signet-issuer/${TRUST_DOMAIN}`;
const ISSUER = `signet-issuer.${SIGNET_NAMESPACE}.svc.cluster.local:8443`;
const ACCOUNTS = `/api/v1/namespaces/${SIGNET_NAMESPACE}/serviceaccounts`;
const NODE_PODS = `/api/v1/namespaces/${SIGNET_NAMESPACE}/pods?labelSelector=app.kubernetes.io/component%3Dnode`;

export type Request = {
  readonly namespace: string;
  readonly name: string;
  /** Whose identity is asked for. */
  readonly victim: Pod;
  readonly policy: KubeObject;
  readonly token?: string;
  /** Asks for a token of the issuer's audience in its own pod instead. */
  readonly projects?: boolean;
  readonly target?: string;
};

/** A pod that asks the issuer to sign for another pod. */
export async function thief(cluster: Cluster, request: Request): Promise<Pod> {
  const { namespace, name, victim, policy, token, projects = false, target = ISSUER } = request;
  const config = await cluster.api.get<KubeObject & { data: Record<string, string> }>(
    `/api/v1/namespaces/${SIGNET_NAMESPACE}/configmaps/signet-issuer-ca`,
  );
  const { metadata } = await cluster.api.get(objectPath(policy));
  const source = { serviceAccountToken: { audience: AUDIENCE, path: 'token' } };
  const env = [
    { name: 'ISSUER_CA', value: config.data['ca.crt'] ?? '' },
    { name: 'TRUST_DOMAIN', value: TRUST_DOMAIN },
    ...(token === undefined ? [] : [{ name: 'TOKEN', value: token }]),
    ...(projects ? [{ name: 'TOKEN_FILE', value: '/stolen/token' }] : []),
  ];
  return agentPod({
    namespace,
    name,
    args: ['issuer', target, victim.metadata.uid ?? '', metadata.uid ?? ''],
    spec: projects ? { volumes: [{ name: 'token', projected: { sources: [source] } }] } : {},
    container: {
      env,
      ...(projects ? { volumeMounts: [{ name: 'token', mountPath: '/stolen' }] } : {}),
    },
  });
}

/** The line that says what came of it. */
export async function outcomeOf(cluster: Cluster, request: Request): Promise<Line> {
  const pod = await thief(cluster, request);
  await cluster.api.create(pod);
  const { lines } = await whenEnded(cluster, pod);
  const line = lines.at(-1);
  if (line === undefined) throw new Error(`${request.name} said nothing`);
  return line;
}

/** The node plugin's pod of a node. */
export async function pluginPod(cluster: Cluster, node: ClusterNode): Promise<Pod> {
  const pods = await cluster.api.list<Pod>(NODE_PODS);
  const pod = pods.find(
    ({ spec, metadata }) => spec.nodeName === node.name && metadata.deletionTimestamp === undefined,
  );
  if (pod === undefined) throw new Error(`no node plugin on ${node.name}`);
  return pod;
}

/** As root on the node reads it: it lies on a file system of the node's own. */
export async function pluginToken(node: ClusterNode, { metadata }: Pod): Promise<string> {
  const volumes = `/var/lib/kubelet/pods/${metadata.uid ?? ''}/volumes`;
  const path = `${volumes}/kubernetes.io~projected/token/token`;
  const { status, stdout, stderr } = await node.exec(['cat', path]);
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

/** A token of the node plugins' account, as somebody with the right to make tokens asks for one. */
export async function tokenRequest(cluster: Cluster, bound?: object): Promise<string> {
  const spec = {
    audiences: [AUDIENCE],
    expirationSeconds: 600,
    ...(bound === undefined ? {} : { boundObjectRef: bound }),
  };
  const answer = await cluster.api.json<{ readonly status: { readonly token: string } }>({
    method: 'POST',
    path: `${ACCOUNTS}/signet-node/token`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
  });
  return answer.status.token;
}

/** Without a shipped admission policy, to see what stands behind it. */
export async function withoutPolicy(
  cluster: Cluster,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const path = `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/${name}`;
  await without(cluster, path, work);
}
