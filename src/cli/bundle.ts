// `signet bundle`: the bundles of our own and of other trust domains, in the forms in which others want
// them; the object that a partner declares us with; and the bundle that a declared one begins with.

import { stringify } from 'yaml';
import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, type Flags, flagsHelp, parseFlags } from '../base/flags.ts';
import { parseClusterFederatedTrustDomain } from '../crds/cluster-federated-trust-domain.ts';
import { documentOf } from '../federation/federated-bundle.ts';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import { formatJwtBundle } from '../spiffe/bundle/bundle-format.ts';
import { readCertificate } from '../spiffe/certificate/certificate.ts';
import { bundleEndpointId } from '../spiffe/issuer-endpoint-id.ts';
import { formatPemCertificate } from '../spiffe/pem.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { clusterBundles, directoryBundles, type KnownBundle } from './bundle/known-bundles.ts';
import { readBundleFile, setBundle } from './bundle/set-bundle.ts';
import { CONNECTION_FLAGS, connect } from './cluster/connection.ts';
import { ClusterReader } from './cluster/reader.ts';
import type { Command, CommandContext } from './command.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';
import { formatTable } from './table.ts';

const FLAGS = {
  format: {
    type: 'choice',
    of: ['summary', 'spiffe', 'pem', 'jwks'],
    default: 'summary',
    help: 'show: print the bundle itself, our own unless one is named',
  },
  endpoint: { type: 'string', help: 'manifest: where our bundle is served', value: 'URL' },
  profile: {
    type: 'choice',
    of: ['https_spiffe', 'https_web'],
    default: 'https_spiffe',
    help: 'manifest: how the endpoint is authenticated',
  },
  namespace: {
    type: 'string',
    short: 'n',
    default: 'signet',
    help: 'where Signet is installed',
    value: 'NAME',
  },
  'run-dir': { type: 'string', help: 'of signet dev, instead of a cluster', value: 'DIR' },
  'trust-domain': {
    type: 'string',
    help: 'with --run-dir, where it has had several',
    value: 'NAME',
  },
  ...OUTPUT_FLAG,
  ...CONNECTION_FLAGS,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

type BundleFlags = Flags<typeof FLAGS>;

const USAGE = `usage: signet bundle VERB [flags]

  show [TRUST-DOMAIN]       list bundles, our own first; with --format print one
  manifest                  print the ClusterFederatedTrustDomain that a partner declares us with
  set TRUST-DOMAIN [FILE]   make it the bundle that a declared trust domain begins with; default:
                            standard input, a SPIFFE bundle or certificates in PEM`;

export const bundleCommand: Command = async (args, context) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  const [verb, name, file, ...more] = positionals;
  const count = { show: 1, manifest: 0, set: 2 }[verb ?? ''];
  const isTooMuch = count === undefined || more.length > 0 || positionals.length - 1 > count;
  if (flags.help || isTooMuch || (verb === 'set' && name === undefined)) {
    (flags.help ? context.out : context.err)(flagsHelp(USAGE, FLAGS));
    return flags.help ? 0 : 2;
  }
  if (verb === 'set') {
    await set({ trustDomain: parseTrustDomain(name ?? ''), file }, flags, context);
    return 0;
  }
  const bundles = await read(flags, context);
  context.out(verb === 'show' ? shown(bundles, name, flags) : manifest(bundles, flags));
  return 0;
};

async function read(flags: BundleFlags, context: CommandContext): Promise<readonly KnownBundle[]> {
  const { 'run-dir': directory, 'trust-domain': trustDomain } = flags;
  if (directory !== undefined) {
    const given = trustDomain === undefined ? undefined : parseTrustDomain(trustDomain);
    return await directoryBundles(directory, given);
  }
  const { client } = connect(flags, context);
  try {
    return await clusterBundles(new ClusterReader(client, context.signal), flags.namespace);
  } finally {
    client.close();
  }
}

async function set(
  { trustDomain, file }: { readonly trustDomain: TrustDomain; readonly file: string | undefined },
  flags: BundleFlags,
  context: CommandContext,
): Promise<void> {
  if (flags['run-dir'] !== undefined) {
    throw invalid(
      'set: signet dev reads spec.trustDomainBundle from its manifests, write it there',
    );
  }
  const bundle = readBundleFile(file, trustDomain);
  const { client } = connect(flags, context);
  try {
    const name = await setBundle(client, bundle, context.signal);
    const { x509Authorities, jwtAuthorities } = bundle;
    const has = `${x509Authorities.length} X.509 and ${jwtAuthorities.size} JWT authorities`;
    context.out(`ClusterFederatedTrustDomain ${name}: begins with ${has}`);
  } finally {
    client.close();
  }
}

function shown(
  bundles: readonly KnownBundle[],
  name: string | undefined,
  { format, output }: BundleFlags,
): string {
  const wanted = name === undefined ? undefined : parseTrustDomain(name);
  const found = bundles.filter(
    ({ bundle }) => wanted === undefined || bundle.trustDomain === wanted,
  );
  const [first] = found;
  if (first === undefined) throw new CodedError('not-found', `no bundle of ${name ?? ''} is known`);
  switch (format) {
    case 'spiffe':
      return documentOf(first.bundle);
    case 'pem':
      return first.bundle.x509Authorities.map(formatPemCertificate).join('').trimEnd();
    case 'jwks':
      return Buffer.from(formatJwtBundle(first.bundle)).toString('utf8');
    case 'summary':
      return formatOutput(output, found.map(summary), () => table(found));
  }
}

function summary({ bundle, source }: KnownBundle): object {
  const { trustDomain, sequence, x509Authorities, jwtAuthorities } = bundle;
  return {
    trustDomain,
    source,
    ...(sequence === undefined ? {} : { sequence }),
    x509Authorities: x509Authorities.map((der) => ({
      notAfter: new Date(readCertificate(der).notAfter).toISOString(),
    })),
    jwtAuthorities: [...jwtAuthorities.keys()],
  };
}

function table(bundles: readonly KnownBundle[]): string {
  const rows = bundles.map(({ bundle, source }) => [
    bundle.trustDomain,
    source,
    bundle.sequence === undefined ? '-' : String(bundle.sequence),
    String(bundle.x509Authorities.length),
    String(bundle.jwtAuthorities.size),
    lastEnd(bundle),
  ]);
  return formatTable(['TRUST DOMAIN', 'SOURCE', 'SEQUENCE', 'X509', 'JWT', 'X509 UNTIL'], rows);
}

function lastEnd({ x509Authorities }: Bundle): string {
  const ends = x509Authorities.map((der) => readCertificate(der).notAfter);
  return ends.length === 0 ? '-' : new Date(Math.max(...ends)).toISOString().slice(0, 10);
}

function manifest(bundles: readonly KnownBundle[], { endpoint, profile }: BundleFlags): string {
  const [own] = bundles;
  if (own === undefined) throw new CodedError('internal', 'no bundle of our own');
  if (endpoint === undefined) throw invalid('--endpoint: needed, such as https://10.0.0.1:8443/');
  const { trustDomain } = own.bundle;
  const isSpiffe = profile === 'https_spiffe';
  const object = {
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterFederatedTrustDomain',
    // Names of objects have no underscores.
    metadata: { name: trustDomain.replaceAll('_', '-') },
    spec: {
      trustDomain,
      bundleEndpointURL: endpoint,
      bundleEndpointProfile: {
        type: profile,
        ...(isSpiffe ? { endpointSPIFFEID: bundleEndpointId(trustDomain) } : {}),
      },
      trustDomainBundle: documentOf(own.bundle),
    },
  };
  const { errors } = parseClusterFederatedTrustDomain(object);
  if (errors.length > 0) throw invalid(errors.join('; '));
  return stringify(object, { lineWidth: 0 }).trimEnd();
}
