// Which answers to FetchJWTSVID stand, and what ends that.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { JwtSvids } from '../../../../src/node/svid/jwt-svids.ts';
import type { ServedIdentity } from '../../../../src/node/svid/pod-answer.ts';
import { JwtAnswers } from '../../../../src/node/workload/jwt-answers.ts';
import type { ServedAnswer } from '../../../../src/node/workload/workload-messages.ts';
import { JWTSVIDRequestSchema } from '../../../../src/transport/gen/spiffe/workload_pb.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { bundleOf, identity, own } from '../secret-discovery/fixtures.ts';

const LIFE_MS = 300_000;
const agent = await identity('/agent');

function setUp(served: ServedIdentity = agent) {
  const clock = new FakeClock();
  const jwtSvids = new JwtSvids('pod', { clock, sign: async () => [] });
  const answer: ServedAnswer = {
    kind: 'served',
    identities: [served],
    own: bundleOf(own),
    federated: [],
  };
  const request = create(JWTSVIDRequestSchema, { audience: ['db'] });
  const answers = new JwtAnswers();
  const made = answers.make(
    request,
    { served: answer, jwtSvids, generation: jwtSvids.generation.value },
    {
      identities: [served],
      tokens: [{ token: 'a-token', receivedAt: clock.now(), lifeMs: LIFE_MS }],
    },
  );
  const find = (of: ServedAnswer = answer, from: JwtSvids = jwtSvids) =>
    answers.find(request, { served: of, jwtSvids: from }, clock.now());
  return { clock, jwtSvids, answer, answers, request, made, find };
}

test('the same request gets the same message for half the life of its tokens', () => {
  const { clock, made, find } = setUp();
  assert.deepEqual(made.svids, [{ spiffeId: agent.spiffeId, hint: '', svid: 'a-token' }]);
  assert.equal(find(), made);
  clock.jump(LIFE_MS / 2 - 1);
  assert.equal(find(), made);
  clock.jump(1);
  assert.equal(find(), undefined);
});

test('a clock that was set back ends it', () => {
  const { clock, find } = setUp();
  clock.jump(-1);
  assert.equal(find(), undefined);
});

test('tokens that were withdrawn, another answer of the pod, and a pod made anew end it', () => {
  const { clock, answer, jwtSvids, find } = setUp();
  assert.equal(find({ ...answer }), undefined);
  assert.equal(find(answer, new JwtSvids('pod', { clock, sign: async () => [] })), undefined);
  jwtSvids.clear();
  assert.equal(find(), undefined);
});

test('another request is another question', () => {
  const { answers, answer, jwtSvids, clock } = setUp();
  const other = create(JWTSVIDRequestSchema, { audience: ['cache'] });
  assert.equal(answers.find(other, { served: answer, jwtSvids }, clock.now()), undefined);
});

test('a token that may be used once is never answered twice', () => {
  assert.equal(setUp({ ...agent, jwtSingleUse: true }).find(), undefined);
});
