// WA-42 among others, on the server that workload sockets have.

import { WorkloadServer } from '../../../../src/transport/workload/workload-server.ts';
import { testRequestStreams } from '../bidi-cases.ts';
import { testServer } from '../server-cases.ts';

testServer((services) => new WorkloadServer({ services }));
testRequestStreams((services) => new WorkloadServer({ services }));
