// Everything that is fuzzed, by the name that `npm run fuzz -- --target` takes.

import type { FuzzTarget } from './fuzz-target.ts';
import { BUNDLE } from './targets/bundle.ts';
import { CERTIFICATE } from './targets/certificate.ts';
import { HPACK } from './targets/hpack.ts';
import { HTTP2_CONNECTION } from './targets/http2-connection.ts';
import { HTTP2_FRAMES } from './targets/http2-frames.ts';
import { JWT_SVID, JWT_SVID_CLAIMS } from './targets/jwt-svid.ts';
import { PUBLISH_REQUEST } from './targets/publish-request.ts';
import { SECRET_REQUEST } from './targets/secret-request.ts';
import { SPIFFE_ID } from './targets/spiffe-id.ts';
import { STRICT_JSON } from './targets/strict-json.ts';
import { TEMPLATE } from './targets/template.ts';

export const TARGETS: readonly FuzzTarget[] = [
  SPIFFE_ID,
  CERTIFICATE,
  JWT_SVID,
  JWT_SVID_CLAIMS,
  BUNDLE,
  TEMPLATE,
  PUBLISH_REQUEST,
  SECRET_REQUEST,
  STRICT_JSON,
  HPACK,
  HTTP2_FRAMES,
  HTTP2_CONNECTION,
];
