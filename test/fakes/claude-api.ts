// The token exchange and one call of the Claude API, by the rules that are published for it. What it
// checks is checked by jose, and a refusal is as opaque as there; tests read the reason from `history`.

import { type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { type TokenCall, TokenEndpoint, type TokenReply } from './token-endpoint.ts';

export type FederationRule = {
  readonly id: string;
  readonly organization: string;
  readonly serviceAccount: string;
  readonly workspaces: readonly string[];
  readonly issuer: string;
  readonly audience: string;
  /** Exact, or with a trailing `*`. */
  readonly subjectPrefix: string;
  readonly maxLifeSeconds: number;
  readonly tokenLifeSeconds: number;
};

const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
];
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SKEW_SECONDS = 30;

class Refusal extends Error {}

export class ClaudeApi extends TokenEndpoint {
  /** Why requests were refused, oldest first. */
  readonly history: string[] = [];
  readonly rule: FederationRule;
  readonly #keyOf: JWTVerifyGetKey;
  readonly #seenIds = new Set<string>();
  readonly #issued = new Map<string, number>();

  /** `keyOf` throws for a token under no key of the rule's issuer. */
  constructor(rule: FederationRule, keyOf: JWTVerifyGetKey) {
    super(async (call) => {
      try {
        return call.path === '/v1/oauth/token' ? await this.#exchange(call) : this.#message(call);
      } catch (thrown) {
        if (!(thrown instanceof Refusal)) throw thrown;
        this.history.push(thrown.message);
        const error = { type: 'authentication_error', message: 'invalid credentials' };
        return { status: 401, body: { type: 'error', error } };
      }
    });
    this.rule = rule;
    this.#keyOf = keyOf;
  }

  async #exchange({ method, headers, fields }: TokenCall): Promise<TokenReply> {
    const { rule } = this;
    expect(method === 'POST' && fields['grant_type'] === GRANT, 'grant_type');
    expect(
      String(headers['anthropic-beta']).split(',').includes('oidc-federation-2026-04-01'),
      'beta',
    );
    expect(fields['federation_rule_id'] === rule.id, 'federation_rule_id');
    expect(fields['organization_id'] === rule.organization, 'organization_id');
    expect(fields['service_account_id'] === rule.serviceAccount, 'service_account_id');
    const workspace = fields['workspace_id'];
    expect(workspace !== undefined || rule.workspaces.length === 1, 'workspace_id_required');
    expect(workspace === undefined || rule.workspaces.includes(workspace), 'workspace_id');
    await this.#checkToken(fields['assertion'] ?? '');
    const token = `sk-ant-oat01-${this.#issued.size + 1}`;
    this.#issued.set(token, Date.now() + rule.tokenLifeSeconds * 1000);
    const { tokenLifeSeconds } = rule;
    const scope = 'workspace:inference';
    return {
      body: { access_token: token, token_type: 'Bearer', expires_in: tokenLifeSeconds, scope },
    };
  }

  async #checkToken(token: string): Promise<void> {
    const { rule } = this;
    expect(token.length <= 16 * 1024, 'length');
    let claims: JWTPayload;
    try {
      const options = { algorithms: ALGORITHMS, clockTolerance: SKEW_SECONDS };
      claims = (await jwtVerify(token, this.#keyNamedBy, options)).payload;
    } catch (thrown) {
      if (thrown instanceof Refusal) throw thrown;
      throw new Refusal(`token: ${String(thrown)}`);
    }
    const { iss, sub = '', aud, iat, exp, jti } = claims;
    expect(iss === rule.issuer, 'iss');
    expect([aud].flat().includes(rule.audience), 'match_audience');
    const isPrefix = rule.subjectPrefix.endsWith('*');
    expect(
      isPrefix ? sub.startsWith(rule.subjectPrefix.slice(0, -1)) : sub === rule.subjectPrefix,
      'match_subject_prefix',
    );
    expect(iat !== undefined, 'iat');
    expect(exp !== undefined, 'exp');
    expect((exp ?? 0) - (iat ?? 0) <= rule.maxLifeSeconds, 'lifetime');
    expect((iat ?? 0) <= Date.now() / 1000 + SKEW_SECONDS, 'iat_future');
    expect(jti === undefined || !this.#seenIds.has(jti), 'jti_reused');
    if (jti !== undefined) this.#seenIds.add(jti);
  }

  readonly #keyNamedBy: JWTVerifyGetKey = (header, jws) => {
    expect(header.kid !== undefined, 'kid');
    return this.#keyOf(header, jws);
  };

  #message({ method, path, headers }: TokenCall): TokenReply {
    expect(method === 'POST' && path.startsWith('/v1/messages'), 'path');
    expect(headers['x-api-key'] === undefined, 'api_key');
    const token = String(headers.authorization).replace(/^Bearer /, '');
    expect((this.#issued.get(token) ?? 0) > Date.now(), 'access_token');
    const content = [{ type: 'text', text: `hello, ${token}` }];
    const usage = { input_tokens: 1, output_tokens: 1 };
    const stop = { stop_reason: 'end_turn', stop_sequence: null };
    const kind = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude' };
    return { body: { ...kind, ...stop, content, usage } };
  }
}

function expect(holds: boolean, rule: string): void {
  if (!holds) throw new Refusal(rule);
}
