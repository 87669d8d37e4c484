// WA-42 among others, on the server that CSI and the issuer's channel have.

import { GrpcServer } from '../../../src/transport/grpc/grpc-server.ts';
import { testRequestStreams } from './bidi-cases.ts';
import { testServer } from './server-cases.ts';

testServer((services) => new GrpcServer({ services }));
testRequestStreams((services) => new GrpcServer({ services }));
