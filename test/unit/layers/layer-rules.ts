// Who may import whom, as data. The same table stands in docs/architecture.md, with the reasons.

export type Layer = {
  readonly layers: readonly string[];
  readonly packages: readonly string[];
};

const grpcMessages = '@bufbuild/protobuf';

/**
 * By layer: the layers and packages it may import besides itself and Node's built-ins. `client` is
 * the workspace of that name, `main` is src/main.ts.
 */
export const LAYERS: Readonly<Record<string, Layer>> = {
  base: { layers: [], packages: ['pino', 'prom-client'] },
  spiffe: { layers: ['base'], packages: ['@peculiar/x509', 'reflect-metadata'] },
  template: { layers: ['base'], packages: [] },
  access: { layers: ['base', 'spiffe'], packages: ['yaml'] },
  crds: { layers: ['base', 'spiffe', 'template'], packages: ['json-schema-to-ts'] },
  identity: { layers: ['base', 'spiffe', 'template', 'crds'], packages: ['re2js'] },
  kube: { layers: ['base', 'crds', 'template'], packages: [] },
  'transport/gen': { layers: [], packages: [grpcMessages] },
  'transport/rpc': { layers: ['base'], packages: [grpcMessages] },
  'transport/grpc': {
    layers: ['base', 'transport/gen', 'transport/rpc'],
    packages: ['@grpc/grpc-js', grpcMessages],
  },
  'transport/workload': {
    layers: ['base', 'transport/gen', 'transport/rpc'],
    packages: [grpcMessages],
  },
  'transport/health': { layers: ['base', 'transport/gen'], packages: [] },
  'transport/http': { layers: ['base', 'transport/gen'], packages: ['fastify'] },
  audit: { layers: ['base', 'spiffe', 'template', 'kube'], packages: [] },
  authorities: { layers: ['base', 'spiffe'], packages: [] },
  federation: {
    layers: ['base', 'spiffe', 'template', 'crds', 'identity'],
    packages: [],
  },
  public: { layers: ['base', 'spiffe', 'authorities', 'transport/http'], packages: [] },
  'cluster-view': {
    layers: ['base', 'template', 'crds', 'identity', 'kube'],
    packages: [],
  },
  issuer: {
    layers: [
      'base',
      'audit',
      'spiffe',
      'template',
      'crds',
      'identity',
      'federation',
      'kube',
      'authorities',
      'cluster-view',
      'transport/gen',
      'transport/rpc',
      'transport/grpc',
      'transport/health',
    ],
    packages: [grpcMessages],
  },
  controller: {
    layers: [
      'base',
      'audit',
      'spiffe',
      'template',
      'crds',
      'identity',
      'federation',
      'kube',
      'authorities',
      'cluster-view',
      'public',
      'webhook',
      'transport/health',
      'transport/http',
    ],
    packages: [],
  },
  webhook: {
    layers: [
      'base',
      'spiffe',
      'template',
      'crds',
      'identity',
      'kube',
      'transport/health',
      'transport/http',
    ],
    packages: [],
  },
  node: {
    layers: [
      'base',
      'spiffe',
      'transport/gen',
      'transport/rpc',
      'transport/grpc',
      'transport/workload',
      'transport/health',
    ],
    packages: [grpcMessages],
  },
  client: {
    layers: ['base', 'spiffe', 'access', 'transport/gen', 'transport/rpc', 'transport/grpc'],
    packages: [grpcMessages, '@grpc/grpc-js'],
  },
  dev: {
    layers: [
      'base',
      'audit',
      'spiffe',
      'template',
      'crds',
      'identity',
      'federation',
      'authorities',
      'public',
      'issuer',
      'node',
      'webhook',
      'transport/gen',
      'transport/rpc',
      'transport/grpc',
      'transport/http',
    ],
    packages: ['yaml', grpcMessages],
  },
  cli: {
    layers: [
      'base',
      'audit',
      'spiffe',
      'access',
      'template',
      'crds',
      'identity',
      'federation',
      'kube',
      'authorities',
      'issuer',
      'controller',
      'node',
      'webhook',
      'dev',
      'transport/gen',
      'transport/grpc',
      'version',
    ],
    packages: ['yaml'],
  },
  version: { layers: [], packages: [] },
  main: { layers: ['base', 'cli', 'version'], packages: [] },
};

/** Packages that one file alone may import, however often its layer is named above. */
export const ONE_FILE_PACKAGES: ReadonlyMap<string, string> = new Map([
  ['@peculiar/x509', 'src/spiffe/authority/x509-authority.ts'],
  ['reflect-metadata', 'src/spiffe/authority/x509-authority.ts'],
  ['pino', 'src/base/log.ts'],
]);

/** Layers that put processes together, the only ones that may import a component's `main.ts`. */
export const COMPOSERS: ReadonlySet<string> = new Set(['dev', 'cli', 'main']);

export const MAX_LINES = 250;

export function isGenerated(path: string): boolean {
  return path.startsWith('src/transport/gen/') || path.endsWith('.gen.ts');
}

/** The layer of a file by its path from the root of the repository; undefined when it has none. */
export function layerOf(path: string): string | undefined {
  const [root, ...rest] = path.split('/');
  if (root === 'client' && rest[0] === 'src') return 'client';
  if (root !== 'src') return undefined;
  if (rest.length === 1 && (rest[0] === 'main.ts' || rest[0] === 'version.ts')) {
    return rest[0].replace('.ts', '');
  }
  const name =
    rest[0] === 'transport' ? `transport/${(rest[1] ?? '').replace(/\.ts$/, '')}` : (rest[0] ?? '');
  return Object.hasOwn(LAYERS, name) ? name : undefined;
}
