// What an Envoy asks for as it comes off the wire: what is taken is bounded, and names that could be.

import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import { readSecretRequest } from '../../../src/node/secret-discovery/secret-request.ts';
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
} from '../../../src/transport/gen/envoy/service/discovery/v3/discovery_pb.ts';
import { accepted, type FuzzTarget } from '../fuzz-target.ts';

const NAME = /^(?:default|ROOTCA|ALL|spiffe:\/\/[a-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*)$/;

export const SECRET_REQUEST: FuzzTarget = {
  name: 'secret-request',
  dictionary: [
    'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
    'default',
    'ROOTCA',
    'ALL',
    'spiffe://example.org',
    'disable_spiffe_cert_validation',
    '__proto__',
    '\x1a\x03ALL',
    '\x2a\x01\x31',
    '\x32\x04\x12\x02no',
    '\x42\x06\x0a\x04\x08\x01\x10\x28',
    '\x0a\x00\x12\x02\x20\x01',
  ],
  maxBytes: 16_384,
  run: (input) => {
    const request = decoded(input);
    if (request === undefined) return;
    const read = accepted(() => readSecretRequest(request));
    if (read === undefined) return;
    assert.ok(read.names.length <= 128);
    assert.equal(new Set(read.names).size, read.names.length);
    for (const name of read.names) assert.match(name, NAME);
    assert.ok(read.nonce.length <= 128);
    assert.ok((read.rejection ?? '').length <= 256);
    assert.ok(read.rejection?.isWellFormed() !== false);
  },
};

/** What is no protobuf never reaches a handler. */
function decoded(input: Uint8Array): DiscoveryRequest | undefined {
  try {
    return fromBinary(DiscoveryRequestSchema, input);
  } catch {
    return undefined;
  }
}
