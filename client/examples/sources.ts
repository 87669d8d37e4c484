// What a workload is, whom it trusts, and tokens to show to others; each always current.

import {
  BundleSource,
  CodedError,
  ENDPOINT_VARIABLE,
  JwtSource,
  parseSpiffeId,
  parseTrustDomain,
  trustDomainOf,
  WorkloadApiClient,
  X509Source,
} from '@signet/client';

console.log(`the server is found by ${ENDPOINT_VARIABLE}`);

const source = new X509Source();
await source.ready(AbortSignal.timeout(30_000));
const { spiffeId, chain } = source.svid;
console.log(`this is ${spiffeId}, by a chain of ${chain.length}`);

const bundles = new BundleSource();
await bundles.ready();
const own = bundles.bundleOf(trustDomainOf(spiffeId));
console.log(`own authorities: ${own?.authorities.length}`);
console.log(
  `of others: ${bundles.bundleOf(parseTrustDomain('other.example'))?.authorities.length}`,
);

const tokens = new JwtSource();
const token = await tokens.fetch({ audience: 'reports' });
console.log(`a token of ${token.spiffeId}`);

// The calls themselves, without retries.
const client = new WorkloadApiClient();
const validated = await client.validateJwtSvid(token.token, 'reports');
console.log(`the server finds it to be of ${validated.spiffeId}`);

try {
  parseSpiffeId('spiffe://Example.org/agent');
} catch (thrown) {
  if (thrown instanceof CodedError) console.log(thrown.code);
}

for (const one of [source, bundles, tokens, client]) one.close();

// → the server is found by SPIFFE_ENDPOINT_SOCKET
// → this is spiffe://example.org/client, by a chain of 1
// → own authorities: 1
// → of others: undefined
// → a token of spiffe://example.org/client
// → the server finds it to be of spiffe://example.org/client
// → invalid-argument
