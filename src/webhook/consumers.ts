// What official clients read from their environment, as data: who asks for a consumer by annotation
// needs no change of code. Values come from files that rotate, and from annotations of the pod.

/** Files that a variable may name; `token` is the consumer's own. */
export type VariableFile = 'chain' | 'key' | 'bundle' | 'token';

export type ConsumerVariable = {
  readonly name: string;
  readonly from:
    | { readonly file: VariableFile }
    | { readonly value: string }
    | { readonly annotation: string; readonly required: boolean };
};

export type Consumer = {
  /** The token that it exchanges, by file name; undefined where certificates are enough. */
  readonly token?: { readonly name: string; readonly audience: string };
  /** Annotation that names another audience. */
  readonly audienceAnnotation?: string;
  readonly variables: readonly ConsumerVariable[];
  /** Variables that its client takes instead of the identity. */
  readonly conflicts: readonly string[];
};

const annotated = (name: string, annotation: string, required = true): ConsumerVariable => ({
  name,
  from: { annotation, required },
});
const file = (name: string, from: VariableFile): ConsumerVariable => ({
  name,
  from: { file: from },
});

/** By the name in the annotation. */
export const CONSUMERS: ReadonlyMap<string, Consumer> = new Map<string, Consumer>([
  [
    'claude',
    {
      token: { name: 'claude-token', audience: 'https://api.anthropic.com' },
      audienceAnnotation: 'claude.signet.dev/audience',
      variables: [
        file('ANTHROPIC_IDENTITY_TOKEN_FILE', 'token'),
        annotated('ANTHROPIC_FEDERATION_RULE_ID', 'claude.signet.dev/federation-rule-id'),
        annotated('ANTHROPIC_ORGANIZATION_ID', 'claude.signet.dev/organization-id'),
        annotated('ANTHROPIC_SERVICE_ACCOUNT_ID', 'claude.signet.dev/service-account-id', false),
        annotated('ANTHROPIC_WORKSPACE_ID', 'claude.signet.dev/workspace-id', false),
      ],
      // Set to anything, even to nothing, the first one wins.
      conflicts: ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_IDENTITY_TOKEN'],
    },
  ],
  [
    'aws',
    {
      token: { name: 'aws-token', audience: 'sts.amazonaws.com' },
      audienceAnnotation: 'aws.signet.dev/audience',
      variables: [
        file('AWS_WEB_IDENTITY_TOKEN_FILE', 'token'),
        annotated('AWS_ROLE_ARN', 'aws.signet.dev/role-arn'),
        annotated('AWS_REGION', 'aws.signet.dev/region', false),
      ],
      conflicts: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE'],
    },
  ],
  [
    'azure',
    {
      token: { name: 'azure-token', audience: 'api://AzureADTokenExchange' },
      audienceAnnotation: 'azure.signet.dev/audience',
      variables: [
        file('AZURE_FEDERATED_TOKEN_FILE', 'token'),
        annotated('AZURE_CLIENT_ID', 'azure.signet.dev/client-id'),
        annotated('AZURE_TENANT_ID', 'azure.signet.dev/tenant-id'),
        { name: 'AZURE_AUTHORITY_HOST', from: { value: 'https://login.microsoftonline.com/' } },
      ],
      conflicts: ['AZURE_CLIENT_SECRET', 'AZURE_CLIENT_CERTIFICATE_PATH', 'AZURE_PASSWORD'],
    },
  ],
  [
    'postgres',
    {
      variables: [
        file('PGSSLCERT', 'chain'),
        file('PGSSLKEY', 'key'),
        file('PGSSLROOTCERT', 'bundle'),
        { name: 'PGSSLMODE', from: { value: 'verify-full' } },
      ],
      conflicts: ['PGPASSWORD', 'PGPASSFILE'],
    },
  ],
]);
