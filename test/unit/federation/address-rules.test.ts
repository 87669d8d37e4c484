// Where bundles may be fetched from: never this machine, its link or a disguise of either; private
// networks only where an operator says so.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { AddressRules } from '../../../src/federation/address-rules.ts';

const NEVER = [
  '127.0.0.1',
  '127.1.2.3',
  '::1',
  '0.0.0.0',
  '::',
  '169.254.169.254',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  '224.0.0.1',
  'ff02::1',
  '255.255.255.255',
  '240.0.0.1',
  '100.100.100.200',
  '168.63.129.16',
  'fd00:ec2::254',
  'fd20:ce::254',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '::ffff:10.0.0.1',
  '::127.0.0.1',
  '64:ff9b::a00:1',
  '64:ff9b:1::1',
  '2002:7f00:1::1',
  '2001:0:1::1',
  'localhost',
  '',
  '1.2.3',
];
const PRIVATE = [
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  'fd12::1',
];
const PUBLIC = ['8.8.8.8', '172.15.0.1', '172.32.0.1', '11.0.0.1', '2606:4700::1111', '2003::1'];

test('FE-34: addresses of this machine, its link and their disguises are never reached', () => {
  const everything = new AddressRules({ allow: ['0.0.0.0/0', '::/0'] });
  for (const address of NEVER) assert.ok(everything.refusalOf(address) !== undefined, address);
});

test('FE-34: private networks are reached where an operator says so, and no further', () => {
  const rules = new AddressRules({ allow: ['10.1.0.0/16', 'fd12::/16'] });
  const nothing = new AddressRules();
  for (const address of PRIVATE) assert.ok(nothing.refusalOf(address) !== undefined, address);
  for (const address of PUBLIC) assert.equal(nothing.refusalOf(address), undefined, address);
  assert.equal(rules.refusalOf('10.1.2.3'), undefined);
  assert.equal(rules.refusalOf('fd12::1'), undefined);
  assert.match(rules.refusalOf('10.2.0.1') ?? '', /private network/);
  assert.match(rules.refusalOf('192.168.1.1') ?? '', /private network/);
});

test('FE-34: what is denied by name is denied although it would be allowed', () => {
  const rules = new AddressRules({ allow: ['10.0.0.0/8'], deny: ['10.96.0.1', '8.8.8.8'] });
  assert.equal(rules.refusalOf('10.96.0.2'), undefined);
  assert.ok(rules.refusalOf('10.96.0.1') !== undefined);
  assert.ok(rules.refusalOf('8.8.8.8') !== undefined);
});

test('loopback is for peers on one machine alone, and not in disguise', () => {
  const rules = new AddressRules({ allowsLoopback: true });
  assert.equal(rules.refusalOf('127.0.0.1'), undefined);
  assert.equal(rules.refusalOf('::1'), undefined);
  for (const address of NEVER.filter((each) => !/^(127\.|::1$)/.test(each))) {
    assert.ok(rules.refusalOf(address) !== undefined, address);
  }
});

test('what is no CIDR is named', () => {
  for (const cidr of ['10.0.0.0/33', 'fd00::/129', '10.0.0/8', 'a', '10.0.0.0/', '10.0.0.0/8x']) {
    assert.throws(
      () => new AddressRules({ allow: [cidr] }),
      (thrown) => thrown instanceof CodedError && thrown.message.includes(cidr),
      cidr,
    );
  }
});
