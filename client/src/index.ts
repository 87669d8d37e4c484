// The public entry of @signet/client.

export {
  type AccessPolicy,
  type AccessRule,
  decideAccess,
} from '../../src/access/access-policy.ts';
export { readAccessPolicy } from '../../src/access/access-policy-text.ts';
export { CodedError, type ErrorCode } from '../../src/base/errors.ts';
export type { JwtSvid } from '../../src/spiffe/jwt-svid/jwt-svid.ts';
export {
  parseSpiffeId,
  parseTrustDomain,
  type SpiffeId,
  type TrustDomain,
  trustDomainOf,
} from '../../src/spiffe/spiffe-id.ts';
export { AccessGuard, type AccessGuardOptions, type AccessRecord } from './access-guard.ts';
export { AccessPolicyFile, type AccessPolicyFileOptions } from './access-policy-file.ts';
export { type Authorizer, exactly, memberOf, oneOf } from './authorizer.ts';
export { BundleSource, type BundleSourceOptions } from './bundle-source.ts';
export {
  type AwsCredentials,
  type AwsWebIdentityOptions,
  awsWebIdentity,
} from './credentials/aws.ts';
export {
  type AwsRolesAnywhereOptions,
  awsRolesAnywhere,
} from './credentials/aws-roles-anywhere.ts';
export {
  type ClaudeCredentials,
  type ClaudeCredentialsOptions,
  claudeCredentials,
} from './credentials/claude.ts';
export type { AccessToken, AssertionSource, CredentialOptions } from './credentials/credential.ts';
export {
  type ClientAssertion,
  type OAuthClientOptions,
  oauthClientAssertion,
  oauthClientCredentials,
} from './credentials/oauth-client.ts';
export {
  type OpenAiCredentialsOptions,
  type OpenAiIds,
  openAiCredentials,
  openAiWorkloadIdentity,
} from './credentials/openai.ts';
export type { Fetch } from './credentials/token-request.ts';
export { type VaultLoginOptions, vaultLogin } from './credentials/vault.ts';
export type { SourceState } from './followed-stream.ts';
export { grpcCredentials } from './grpc-credentials.ts';
export { JwtGuard, jwtSvidOf } from './jwt-guard.ts';
export { type JwtAuthoritySource, type JwtCheck, verifyJwtSvid } from './jwt-peer.ts';
export { JwtSource, type JwtSourceOptions } from './jwt-source.ts';
export type { FetchedJwtSvid, JwtBundles } from './jwt-svids.ts';
export { type LiveConnection, LiveConnections, type VerifiedPeer } from './live-connections.ts';
export { type PeerCheck, peerSpiffeId, type TlsSource } from './peer-identity.ts';
export { NOTHING_REVOKED, RevokedCertificates } from './revoked-certificates.ts';
export {
  type ConnectTlsOptions,
  connectTls,
  type Destination,
  httpsAgent,
} from './tls-client.ts';
export { connectHttp2, tlsFetch, undiciConnector } from './tls-fetch.ts';
export { type LiveTlsOptions, liveTlsOptions, tlsClientOptions } from './tls-options.ts';
export { createHttp2Server, createHttpsServer, createTlsServer } from './tls-server.ts';
export {
  type JwtSvidRequest,
  type ValidatedJwtSvid,
  WorkloadApiClient,
  type WorkloadApiClientOptions,
} from './workload-api-client.ts';
export { ENDPOINT_VARIABLE } from './workload-endpoint.ts';
export type { X509Bundle, X509Bundles } from './x509-bundles.ts';
export type { X509Context, X509Svid } from './x509-context.ts';
export { X509Source, type X509SourceOptions, type X509SourceState } from './x509-source.ts';
