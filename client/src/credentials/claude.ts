// Access tokens of the Claude API for a JWT-SVID (workload identity federation: RFC 7523 with the ids
// of a federation rule). The function is what `new Anthropic({ credentials })` takes.

import { CodedError } from '../../../src/base/errors.ts';
import { bearerExchange } from './bearer-exchange.ts';
import { brokenRules } from './claude-rules.ts';
import { type CredentialOptions, checkPresent } from './credential.ts';
import { checkTokenUrl } from './token-request.ts';

export type ClaudeCredentialsOptions = CredentialOptions & {
  /** `fdrl_…` */
  readonly federationRuleId: string;
  /** A UUID. */
  readonly organizationId: string;
  /** `svac_…` */
  readonly serviceAccountId?: string;
  /** `wrkspc_…` or `default`; needed when the rule is for more than one. */
  readonly workspaceId?: string;
  /** As in the rule; default: https://api.anthropic.com. */
  readonly audience?: string;
  /** Where the API is; default: https://api.anthropic.com. */
  readonly baseUrl?: string;
};

/** As the SDK has it: `expiresAt` in seconds since the epoch. */
export type ClaudeCredentials = (options?: {
  readonly forceRefresh?: boolean;
}) => Promise<{ token: string; expiresAt: number }>;

const API = 'https://api.anthropic.com';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const BETA = 'oauth-2025-04-20,oidc-federation-2026-04-01';

/** Throws `invalid-argument` naming the option; the function, `unauthenticated` with what is wrong. */
export function claudeCredentials(options: ClaudeCredentialsOptions): ClaudeCredentials {
  const { federationRuleId, organizationId, audience = API, baseUrl = API } = options;
  checkPresent({ federationRuleId, organizationId });
  const renewed = bearerExchange(options, {
    of: 'Claude token exchange',
    url: checkTokenUrl(`${baseUrl.replace(/\/$/, '')}/v1/oauth/token`, 'baseUrl').href,
    audience,
    headers: { 'anthropic-beta': BETA },
    body: (assertion) => requestBody(options, assertion),
    explain: (thrown, assertion) => explained(CodedError.from(thrown), { assertion, audience }),
  });
  return async ({ forceRefresh = false } = {}) => {
    // The SDK says so after the API refused the token.
    if (forceRefresh) renewed.forget();
    const { token, expiresAt } = await renewed.get();
    return { token, expiresAt: Math.floor(expiresAt / 1000) };
  };
}

function requestBody(
  options: ClaudeCredentialsOptions,
  assertion: string,
): Readonly<Record<string, string>> {
  const { federationRuleId, organizationId, serviceAccountId, workspaceId } = options;
  return {
    grant_type: GRANT,
    assertion,
    federation_rule_id: federationRuleId,
    organization_id: organizationId,
    ...(serviceAccountId === undefined ? {} : { service_account_id: serviceAccountId }),
    ...(workspaceId === undefined ? {} : { workspace_id: workspaceId }),
  };
}

type Shown = { readonly assertion: string; readonly audience: string };

const NOTHING_SEEN =
  'the token keeps the rules that can be checked here: compare the subject, audience, claims and ' +
  "workspace of the federation rule, and the issuer's keys";

// The endpoint does not say which rule was broken; what it publishes can be checked here.
function explained(error: CodedError, { assertion, audience }: Shown): CodedError {
  if (error.code === 'unavailable') return error;
  const broken = brokenRules(assertion, audience);
  const why = broken.length > 0 ? broken.join('; ') : NOTHING_SEEN;
  return new CodedError(error.code, `${error.message}; ${why}`, { cause: error });
}
