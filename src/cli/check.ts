// `signet check`: what must be so before an installation, what must be so after it, and whether it may
// go again. One line for each finding, with what to do; 1 when one of them failed.

import { invalid } from '../base/errors.ts';
import { type FlagSpecs, flagsHelp, parseFlags } from '../base/flags.ts';
import {
  API_VERSION,
  DRIVER_OWNER,
  FOREIGN_CRDS,
  FOREIGN_WEBHOOKS,
  POLICY_INJECTION,
} from './check/before-install.ts';
import { CRD_FIELDS } from './check/crd-fields.ts';
import { type Check, type Finding, runChecks } from './check/finding.ts';
import {
  AUTHORITIES,
  DRIVER,
  LEADER,
  REGISTERED,
  WEBHOOK,
  WORKLOADS,
} from './check/installation.ts';
import { FOREIGN_VOLUMES, KUBELET_ROOT, NODES, STILL_MOUNTED } from './check/nodes.ts';
import { SECRET_READERS } from './check/secret-readers.ts';
import { CONNECTION_FLAGS, connect } from './cluster/connection.ts';
import { ClusterReader } from './cluster/reader.ts';
import type { Command } from './command.ts';
import { dnsName } from './node-settings.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';
import { formatTable } from './table.ts';

const FLAGS = {
  pre: { type: 'boolean', help: 'before an installation' },
  uninstall: { type: 'boolean', help: 'before it is removed: no pod may mount the driver' },
  namespace: {
    type: 'string',
    short: 'n',
    default: 'signet',
    help: 'where Signet is installed',
    value: 'NAME',
  },
  'driver-name': { type: 'string', default: 'csi.spiffe.io', help: 'of the CSI driver' },
  ...OUTPUT_FLAG,
  ...CONNECTION_FLAGS,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

const BEFORE: readonly Check[] = [
  API_VERSION,
  DRIVER_OWNER,
  FOREIGN_WEBHOOKS,
  FOREIGN_CRDS,
  NODES,
  KUBELET_ROOT,
  FOREIGN_VOLUMES,
  POLICY_INJECTION,
];
const AFTER: readonly Check[] = [
  API_VERSION,
  WORKLOADS,
  LEADER,
  WEBHOOK,
  FOREIGN_WEBHOOKS,
  AUTHORITIES,
  DRIVER,
  REGISTERED,
  CRD_FIELDS,
  SECRET_READERS,
];
const LEAVING: readonly Check[] = [STILL_MOUNTED];

export const checkCommand: Command = async (args, context) => {
  const { out, err, clock, signal } = context;
  const { flags, positionals } = parseFlags(args, FLAGS);
  if (flags.help || positionals.length > 0) {
    (flags.help ? out : err)(flagsHelp('usage: signet check [--pre | --uninstall]', FLAGS));
    return flags.help ? 0 : 2;
  }
  if (flags.pre && flags.uninstall) throw invalid('--pre and --uninstall: give one of them');
  const namespace = dnsName('--namespace', flags.namespace);
  const driverName = dnsName('--driver-name', flags['driver-name']);
  const { client } = connect(flags, context);
  try {
    const reader = new ClusterReader(client, signal);
    const checks = flags.pre ? BEFORE : flags.uninstall ? LEAVING : AFTER;
    const target = { reader, namespace, driverName, now: clock.now() };
    const findings = await runChecks(checks, target);
    out(formatOutput(flags.output, { findings }, () => table(findings)));
    return findings.some(({ status }) => status === 'fail') ? 1 : 0;
  } finally {
    client.close();
  }
};

function table(findings: readonly Finding[]): string {
  const rows = findings.map(({ check, status, message, hint }) => [
    status,
    check,
    hint === '' ? message : `${message}  → ${hint}`,
  ]);
  return formatTable(['STATUS', 'CHECK', 'FOUND'], rows);
}
