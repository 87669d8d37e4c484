// SPIFFE IDs and trust domains: what is taken fits the standard's grammar, written here once more.

import assert from 'node:assert/strict';
import {
  parseSpiffeId,
  parseTrustDomain,
  parseTrustDomainOrId,
  parseWorkloadSpiffeId,
  pathOf,
  trustDomainId,
  trustDomainOf,
} from '../../../src/spiffe/spiffe-id.ts';
import { accepted, type FuzzTarget, textOf } from '../fuzz-target.ts';

const GRAMMAR = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/;
const OURS = parseTrustDomain('example.org');

export const SPIFFE_ID: FuzzTarget = {
  name: 'spiffe-id',
  dictionary: [
    'spiffe://',
    'example.org',
    '/',
    '/.',
    '/..',
    '//',
    '%2e',
    ':80',
    '@',
    '?',
    '#',
    '\0',
  ],
  maxBytes: 4096,
  run: (input) => {
    const text = textOf(input);
    const id = accepted(() => parseSpiffeId(text));
    assert.equal(id !== undefined, text.length <= 2048 && GRAMMAR.test(text), text);
    const domain = accepted(() => parseTrustDomainOrId(text));
    if (id === undefined) {
      if (domain !== undefined) assert.equal(String(domain), text);
      return;
    }
    assert.equal(trustDomainId(trustDomainOf(id)) + pathOf(id), text);
    assert.equal(domain, trustDomainOf(id));
    if (accepted(() => parseWorkloadSpiffeId(text, OURS)) === undefined) return;
    assert.equal(trustDomainOf(id), OURS);
    assert.doesNotMatch(text, /^spiffe:\/\/[^/]+(?:\/(?:spire|signet)(?:\/|$)|$)/);
  },
};
