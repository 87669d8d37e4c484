// Which addresses a bundle may be fetched from. Whoever declares a foreign trust domain names a host, and a
// name may lead anywhere: to this machine, to a cloud's metadata, to a neighbour inside. So every
// resolved address is judged, and the connection is made to that very address.

import { BlockList, isIP } from 'node:net';
import { CodedError, invalid } from '../base/errors.ts';

export type AddressRulesOptions = {
  /** CIDRs, or single addresses, of private networks that may be reached, such as `10.20.0.0/16`. */
  readonly allow?: readonly string[];
  /** Addresses that are never reached, such as that of the API server. */
  readonly deny?: readonly string[];
  /** On one machine only: peers on loopback are ordinary ones. */
  readonly allowsLoopback?: boolean;
};

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

/** Never a peer, whatever an operator allows: this machine, its link, groups, and disguised forms of both. */
const NEVER = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Metadata services outside the link-local range.
  '100.100.100.200/32',
  '168.63.129.16/32',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  // Unspecified, and an IPv4 address in disguise: compatible, NAT64, 6to4, Teredo.
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2002::/16',
  '2001::/32',
  '100::/64',
  '2001:db8::/32',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
];

/** Apart: a list of Node's takes every IPv4 address for one of these. */
const MAPPED = ['::ffff:0:0/96'];

/** Somebody's own network: reached where an operator says so. */
const PRIVATE = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '198.18.0.0/15',
  'fc00::/7',
];

export class AddressRules {
  readonly #loopback = listOf(LOOPBACK);
  readonly #mapped = listOf(MAPPED);
  readonly #never: BlockList;
  readonly #private = listOf(PRIVATE);
  readonly #allowed: BlockList;
  readonly #allowsLoopback: boolean;

  /** Throws `invalid-argument` naming what is no CIDR. */
  constructor({ allow = [], deny = [], allowsLoopback = false }: AddressRulesOptions = {}) {
    this.#never = listOf([...NEVER, ...deny]);
    this.#allowed = listOf(allow);
    this.#allowsLoopback = allowsLoopback;
  }

  /** Why there must be no connection to the address; undefined when there may be one. */
  refusalOf(address: string): string | undefined {
    const family = isIP(address);
    // A zone names an interface of this machine.
    if (family === 0 || address.includes('%')) return 'not an address';
    const type = family === 4 ? 'ipv4' : 'ipv6';
    if (family === 6 && this.#mapped.check(address, type)) return 'an IPv4 address in disguise';
    if (this.#loopback.check(address, type)) {
      return this.#allowsLoopback ? undefined : 'an address of this machine';
    }
    if (this.#never.check(address, type)) return 'an address that is never a peer';
    if (this.#private.check(address, type) && !this.#allowed.check(address, type)) {
      return 'an address of a private network that is not allowed';
    }
    return undefined;
  }
}

/** Throws `invalid-argument` naming the field, and what is no CIDR. */
export function checkCidrs(cidrs: readonly string[], field: string): void {
  try {
    listOf(cidrs);
  } catch (thrown) {
    throw invalid(`${field}: ${CodedError.from(thrown).message}`, thrown);
  }
}

function listOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [, address = '', bits] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(cidr) ?? [];
    const family = isIP(address);
    const whole = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? whole : Number(bits);
    if (family === 0 || prefix > whole) throw invalid(`"${cidr.slice(0, 64)}": not a CIDR`);
    list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}
