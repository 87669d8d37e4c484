// What a message of bundles means for tokens that were signed before it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { silentLogger } from '../../../src/base/log.ts';
import { NodeView } from '../../../src/node/node-view.ts';
import type { Bundle } from '../../../src/spiffe/bundle/bundle.ts';
import { formatJwtBundle } from '../../../src/spiffe/bundle/bundle-format.ts';
import { ToNodeSchema } from '../../../src/transport/gen/signet/issuer_pb.ts';
import { bundleOf, OWN } from '../federation/fixtures.ts';

const own = bundleOf(OWN, { sequence: 1 });
const another = bundleOf(OWN).jwtAuthorities.values().next().value;
assert.ok(another !== undefined);
const more = { ...own, jwtAuthorities: new Map([...own.jwtAuthorities, ['more', another]]) };
const replaced = {
  ...own,
  jwtAuthorities: new Map([...own.jwtAuthorities.keys()].map((kid) => [kid, another])),
};

function messageOf(bundle: Bundle, restrictionVersion: bigint, federated: readonly Bundle[] = []) {
  const read = (each: Bundle) => ({
    trustDomain: each.trustDomain,
    sequence: BigInt(each.sequence ?? 0),
    x509Authorities: [...each.x509Authorities],
    jwtAuthorities: formatJwtBundle(each),
  });
  const value = { own: read(bundle), federated: federated.map(read), restrictionVersion };
  return create(ToNodeSchema, { message: { case: 'bundles', value } });
}

test('tokens end with a key of ours that goes and with a restriction, not with bundles of others', () => {
  const said: boolean[] = [];
  const view = new NodeView({
    log: silentLogger,
    trustDomain: OWN,
    onPod: () => {},
    onBundles: (endsTokens) => said.push(endsTokens),
    onAbsent: () => {},
    onGone: () => {},
  });
  const messages: readonly [Parameters<typeof messageOf>, boolean][] = [
    [[own, 1n], false],
    [[own, 1n], false],
    [[own, 1n, [bundleOf('a.test')]], false],
    [[own, 1n, [bundleOf('a.test')]], false],
    [[own, 2n], true],
    [[more, 2n], false],
    [[own, 2n], true],
    [[replaced, 2n], true],
    [[replaced, 1n], false],
  ];
  for (const [message] of messages) view.apply(messageOf(...message));
  assert.deepEqual(
    said,
    messages.map(([, ends]) => ends),
  );
});
