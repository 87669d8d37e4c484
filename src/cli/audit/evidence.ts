// What audit logs are compared with: the checkpoints that a Lease keeps, and the serving authorities that
// certify who signed them. From the cluster, from files, or from a run directory of `signet dev`.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { AUDIT_LEASE, anchorsIn } from '../../audit/audit-anchor.ts';
import { setAside } from '../../audit/audit-files.ts';
import type { Checkpoint } from '../../audit/checkpoint.ts';
import type { AuditInput } from '../../audit/verify-audit.ts';
import { readState } from '../../authorities/authority-state.ts';
import { servingAuthoritiesOf } from '../../authorities/public-bundle.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import type { FlagSpecs, Flags } from '../../base/flags.ts';
import { segment } from '../../kube/kube-client.ts';
import { parsePemCertificates } from '../../spiffe/pem.ts';
import { parseTrustDomain } from '../../spiffe/spiffe-id.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';
import { CONNECTION_FLAGS, connect } from '../cluster/connection.ts';
import { ClusterReader } from '../cluster/reader.ts';
import type { CommandContext } from '../command.ts';
import { clusterLogs } from './cluster-logs.ts';

export const EVIDENCE_FLAGS = {
  cluster: { type: 'boolean', help: 'what the pods of Signet have printed, and all that is kept' },
  anchor: {
    type: 'string',
    help: `verify: compare with Lease ${AUDIT_LEASE} as JSON or YAML`,
    value: 'FILE',
  },
  ca: {
    type: 'strings',
    help: 'verify: PEM of serving authorities, those of then too; repeatable',
    value: 'FILE',
  },
  'run-dir': { type: 'string', help: 'of signet dev: its files and authorities', value: 'DIR' },
  namespace: {
    type: 'string',
    short: 'n',
    help: 'query: of pods',
    value: 'NAME',
  },
  'signet-namespace': {
    type: 'string',
    default: 'signet',
    help: 'where Signet is installed',
    value: 'NAME',
  },
  ...CONNECTION_FLAGS,
} as const satisfies FlagSpecs;

export type Evidence = {
  readonly anchors: readonly Checkpoint[] | undefined;
  readonly authorities: readonly Uint8Array[] | undefined;
  /** Annotations of the Lease that are no checkpoints. */
  readonly malformed: readonly string[];
  /** The lines themselves, where they come from the cluster. */
  readonly inputs: readonly AuditInput[] | undefined;
};

const AUTHORITIES = 'authorities-';
const CA_CONFIG_MAP = 'signet-issuer-ca';

export async function readEvidence(
  flags: Flags<typeof EVIDENCE_FLAGS>,
  context: CommandContext,
): Promise<Evidence> {
  if (flags.cluster && flags.anchor !== undefined) {
    throw invalid('--cluster and --anchor: give one of them');
  }
  const given = flags.ca.flatMap((path) => readPem(readText(path), path));
  const directory = flags['run-dir'];
  const ofRun = directory === undefined ? [] : authoritiesOfRun(directory);
  const there = flags.cluster ? await readCluster(flags, context) : undefined;
  const kept = flags.anchor === undefined ? there?.lease : readObject(flags.anchor);
  const authorities = [...given, ...ofRun, ...(there?.authorities ?? [])];
  const { checkpoints, malformed } = kept === undefined ? NOTHING : anchorsIn(kept);
  return {
    anchors: kept === undefined ? undefined : checkpoints,
    authorities: authorities.length === 0 ? undefined : authorities,
    malformed,
    inputs: there?.inputs,
  };
}

const NOTHING = { checkpoints: [], malformed: [] };

/** The audit log of a run, oldest file first. */
export function filesOfRun(directory: string): readonly string[] {
  const path = join(directory, 'audit.jsonl');
  if (!existsSync(path)) throw invalid(`--run-dir: there is no ${path}`);
  return [...setAside(path).map((file) => file.path), path];
}

function authoritiesOfRun(directory: string): readonly Uint8Array[] {
  return readdirSync(directory).flatMap((name) => {
    if (!name.startsWith(AUTHORITIES)) return [];
    const trustDomain = parseTrustDomain(name.slice(AUTHORITIES.length));
    const text = readText(join(directory, name, 'state.json'));
    return servingAuthoritiesOf(readState(JSON.parse(text), trustDomain));
  });
}

async function readCluster(flags: Flags<typeof EVIDENCE_FLAGS>, context: CommandContext) {
  const namespace = segment(flags['signet-namespace']);
  const { client } = connect(flags, context);
  try {
    const reader = new ClusterReader(client, context.signal);
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
    const lease = await reader.get(`${leases}/${AUDIT_LEASE}`);
    if (lease === undefined) throw missing(`Lease ${AUDIT_LEASE}`, namespace);
    const map = await reader.get(`/api/v1/namespaces/${namespace}/configmaps/${CA_CONFIG_MAP}`);
    const data = map === undefined ? undefined : ownValue(map, 'data');
    const pem = isJsonObject(data) ? ownValue(data, 'ca.crt') : undefined;
    if (typeof pem !== 'string') throw missing(`ConfigMap ${CA_CONFIG_MAP}`, namespace);
    const inputs = await clusterLogs(client, namespace, context.signal);
    return { lease, authorities: readPem(pem, CA_CONFIG_MAP), inputs };
  } finally {
    client.close();
  }
}

function missing(what: string, namespace: string): CodedError {
  return new CodedError('not-found', `${what} is not in namespace ${namespace}`);
}

function readPem(pem: string, path: string): readonly Uint8Array[] {
  const certificates = parsePemCertificates(pem);
  if (certificates.length === 0) throw invalid(`${path}: there is no certificate in it`);
  return certificates;
}

function readObject(path: string): JsonObject {
  const text = readText(path);
  let value: JsonValue;
  try {
    value = parse(text, { maxAliasCount: 0 }) as JsonValue;
  } catch (thrown) {
    throw invalid(`${path}: not YAML`, thrown);
  }
  if (isJsonObject(value) && value['kind'] === 'Lease') return value;
  throw invalid(`${path}: not a Lease`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw invalid(`${path}: cannot be read`, thrown);
  }
}
