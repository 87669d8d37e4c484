// Reports go to an object store by the AWS SDK, unmodified: its credentials come for a JWT-SVID and last a
// quarter of an hour, and its connections go to this store alone.

import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { awsWebIdentity, httpsAgent, tlsFetch } from '@signet/client';
import { backend, certificates, tokens } from './identity.ts';

const STORE = 'https://store.backends.svc:8333';
const check = { source: certificates, authorize: backend('store') };
const s3 = new S3Client({
  endpoint: STORE,
  region: 'us-east-1',
  forcePathStyle: true,
  requestHandler: { httpsAgent: httpsAgent(check) },
  credentials: awsWebIdentity({
    source: tokens,
    roleArn: 'arn:aws:iam::role/reporter',
    stsUrl: `${STORE}/`,
    audience: 'https://store.backends.svc',
    fetch: tlsFetch(check),
  }),
});

/** The tag that the store has for it. */
export async function store(text: string, bucket = 'reports'): Promise<string> {
  const put = new PutObjectCommand({ Bucket: bucket, Key: 'morning.txt', Body: text });
  return (await s3.send(put)).ETag ?? '';
}
