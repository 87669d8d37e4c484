// `issuer TARGET POD-UID ENTRY-ID`: asks the issuer for a certificate as a node plugin does, with the
// token in TOKEN, or in the file TOKEN_FILE names, and the authorities in ISSUER_CA. One line says what came of it.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CodedError } from '../../../client/src/index.ts';
import { issuerChannelByTrust } from '../../../src/node/issuer-credentials.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { Issuer } from '../../../src/transport/gen/signet/issuer_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { fixedAuthorities } from '../../../src/transport/grpc/tls-credentials.ts';
import { emit } from './output.ts';

const TIMEOUT_MS = 8000;
/** Of a SubjectPublicKeyInfo of this kind of key. */
const POINT_BYTES = 65;

export async function issuer([target = '', podUid = '', entryId = '']: readonly string[]) {
  const { TOKEN, TOKEN_FILE, ISSUER_CA = '', TRUST_DOMAIN = '' } = process.env;
  const token = TOKEN ?? readFileSync(TOKEN_FILE ?? '', 'utf8').trim();
  const trustDomain = parseTrustDomain(TRUST_DOMAIN);
  const channel = issuerChannelByTrust({
    target: `dns:///${target}`,
    authorities: fixedAuthorities(Buffer.from(ISSUER_CA)),
    trustDomain,
  });
  const client = createGrpcClient(Issuer, channel);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const value = publicKey.export({ type: 'spki', format: 'der' }).subarray(-POINT_BYTES);
  const expectedSpiffeId = `spiffe://${trustDomain}/any`;
  const item = {
    podUid,
    entryId,
    expectedSpiffeId,
    publicKey: { case: 'p256Point' as const, value },
  };
  try {
    const metadata = { authorization: `Bearer ${token}` };
    const { results } = await client.signX509Svids(
      { items: [item] },
      { metadata, timeoutMs: TIMEOUT_MS },
    );
    const [first] = results;
    const refusal = first?.result.case === 'refused' ? first.result.value : undefined;
    emit({ issued: first?.result.case === 'issued', reason: refusal?.reason ?? '' });
  } catch (thrown) {
    const { code, message, reason } = CodedError.from(thrown);
    emit({ issued: false, code, message, reason });
  } finally {
    client.close();
  }
  return 0;
}
