// Other agents may ask this one, by mutual TLS; which of them may ask what is in access-policy.yaml.

import {
  AccessGuard,
  AccessPolicyFile,
  createHttpsServer,
  memberOf,
  trustDomainOf,
} from '@signet/client';
import { certificates, me } from './identity.ts';

const OPERATIONS: ReadonlyMap<string, string> = new Map([
  ['GET /report', 'report.read'],
  ['DELETE /report', 'report.delete'],
]);

export function answerOthers(report: () => string, port = 8443): void {
  const guard = new AccessGuard({
    policy: AccessPolicyFile.open('/etc/agent/access-policy.yaml'),
    operationOf: ({ method = '', url = '' }) => OPERATIONS.get(`${method} ${url}`),
    onDecision: (record) =>
      void process.stdout.write(`${JSON.stringify({ step: 'asked', ...record })}\n`),
  });
  const authorize = memberOf(trustDomainOf(me));
  createHttpsServer({ source: certificates, authorize }, (request, response) => {
    void guard.admit(request, response).then((peer) => {
      if (peer !== undefined) response.end(report());
    });
  }).listen(port);
}
