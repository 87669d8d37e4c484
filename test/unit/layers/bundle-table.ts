// What each command's files are made of: which parts of the sources, and which packages.

export type Contents = {
  readonly command: string;
  /** Starts of paths, one of which must be there: else the test looks at nothing. */
  readonly has: readonly string[];
  readonly hasNot: readonly string[];
};

export const CONTENTS: readonly Contents[] = [
  {
    command: 'src/main.ts',
    has: ['src/base/', 'src/cli/start-checks.ts', 'node_modules/pino/'],
    hasNot: ['src/spiffe/', 'src/transport/', 'src/node/', 'src/dev/', 'node_modules/@grpc/'],
  },
  {
    command: 'src/cli/node.ts',
    has: ['src/node/main.ts', 'src/spiffe/', 'node_modules/@grpc/grpc-js/'],
    hasNot: [
      'node_modules/yaml/',
      'node_modules/re2js/',
      'node_modules/@peculiar/',
      'node_modules/reflect-metadata/',
      'node_modules/@kubernetes/',
      'node_modules/fastify/',
      'src/template/',
      'src/crds/',
      'src/identity/',
      'src/issuer/',
      'src/webhook/',
      'src/dev/',
    ],
  },
  {
    command: 'src/cli/issuer.ts',
    has: ['src/issuer/main.ts', 'src/kube/', 'src/identity/', 'node_modules/@grpc/grpc-js/'],
    hasNot: [
      'node_modules/yaml/',
      'node_modules/@kubernetes/',
      'node_modules/fastify/',
      'src/kube/kubeconfig/',
      'src/node/',
      'src/webhook/',
      'src/dev/',
    ],
  },
  {
    command: 'src/cli/authority.ts',
    has: ['src/issuer/authority/', 'src/kube/', 'node_modules/@peculiar/'],
    hasNot: [
      'node_modules/@grpc/',
      'node_modules/@kubernetes/',
      'node_modules/fastify/',
      'src/identity/',
      'src/issuer/signing/',
      'src/node/',
      'src/webhook/',
      'src/dev/',
    ],
  },
  {
    command: 'src/cli/controller.ts',
    has: ['src/controller/main.ts', 'src/webhook/', 'src/kube/', 'node_modules/fastify/'],
    hasNot: [
      'node_modules/yaml/',
      'node_modules/@kubernetes/',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
      'src/issuer/',
      'src/node/',
      'src/dev/',
      'src/spiffe/authority/x509-authority.ts',
      'src/spiffe/x509-svid/x509-svid-issuer.ts',
      'src/spiffe/jwt-svid/jwt-svid-signing.ts',
    ],
  },
  {
    command: 'src/cli/render.ts',
    has: ['src/identity/', 'node_modules/yaml/', 'node_modules/re2js/'],
    hasNot: ['src/issuer/', 'src/node/', 'node_modules/@peculiar/', 'node_modules/@grpc/'],
  },
  {
    command: 'src/cli/explain.ts',
    has: ['src/identity/', 'node_modules/yaml/'],
    hasNot: ['src/node/main.ts', 'node_modules/@peculiar/', 'node_modules/@grpc/'],
  },
  {
    command: 'src/cli/access.ts',
    has: ['src/access/', 'node_modules/yaml/'],
    hasNot: ['src/kube/', 'src/identity/', 'src/issuer/', 'src/node/', 'node_modules/@peculiar/'],
  },
  {
    command: 'src/cli/audit.ts',
    has: ['src/audit/', 'src/kube/', 'node_modules/yaml/'],
    hasNot: [
      'src/issuer/',
      'src/identity/',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
    ],
  },
  {
    command: 'src/cli/check.ts',
    has: ['src/kube/kubeconfig/', 'src/crds/', 'node_modules/yaml/'],
    hasNot: [
      'src/issuer/',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
      'node_modules/re2js/',
    ],
  },
  {
    command: 'src/cli/revoke.ts',
    has: ['src/kube/kubeconfig/', 'src/identity/', 'node_modules/yaml/'],
    hasNot: [
      'src/issuer/main.ts',
      'src/node/main.ts',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
    ],
  },
  {
    command: 'src/cli/bundle.ts',
    has: ['src/federation/federated-bundle.ts', 'src/kube/kubeconfig/', 'node_modules/yaml/'],
    hasNot: [
      'src/issuer/main.ts',
      'src/federation/federation.ts',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
      'node_modules/@grpc/',
      'node_modules/fastify/',
      'node_modules/re2js/',
    ],
  },
  {
    command: 'src/cli/svid.ts',
    has: ['src/transport/grpc/', 'src/spiffe/', 'node_modules/yaml/'],
    hasNot: [
      'client/',
      'src/kube/',
      'src/identity/',
      'src/issuer/',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
    ],
  },
  {
    command: 'src/cli/oidc.ts',
    has: ['src/kube/kubeconfig/', 'src/cli/oidc/export.ts', 'node_modules/yaml/'],
    hasNot: [
      'src/identity/',
      'src/node/',
      'src/dev/',
      'src/issuer/signing/',
      'node_modules/@grpc/',
      'node_modules/@peculiar/',
      'node_modules/fastify/',
    ],
  },
  {
    command: 'src/cli/jwt.ts',
    has: ['src/transport/grpc/', 'src/cli/jwt/', 'node_modules/yaml/'],
    hasNot: [
      'client/',
      'src/kube/',
      'src/identity/',
      'src/issuer/',
      'src/controller/',
      'src/node/',
      'src/dev/',
      'node_modules/@peculiar/',
      'node_modules/fastify/',
    ],
  },
  {
    command: 'src/cli/dev.ts',
    has: ['src/node/main.ts', 'src/issuer/', 'node_modules/@peculiar/', 'node_modules/yaml/'],
    hasNot: ['client/', 'test/', 'src/cli/node.ts', 'node_modules/@kubernetes/'],
  },
];
