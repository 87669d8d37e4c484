// What `signet authority show` prints: every authority with its phase and dates, and nothing secret.

import {
  type Authority,
  type AuthorityState,
  isInBundle,
} from '../../authorities/authority-state.ts';
import { formatTable } from '../table.ts';

/** For programs. */
export function shownState(state: AuthorityState): object {
  const { trustDomain, sequence, authorities } = state;
  return { trustDomain, sequence, authorities: authorities.map(shown) };
}

function shown(authority: Authority): object {
  const { id, kind, phase, order, parent } = authority;
  return {
    kind,
    id,
    phase,
    inBundle: isInBundle(authority),
    ...(order === undefined ? {} : { order }),
    ...(parent === undefined ? {} : { parent }),
    notBefore: date(authority.notBefore),
    notAfter: date(authority.notAfter),
    preparedAt: date(authority.preparedAt),
    publishedAt: date(authority.publishedAt),
    activatedAt: date(authority.activatedAt),
    retiredAt: date(authority.retiredAt),
  };
}

const ORDER = ['root', 'intermediate', 'jwt', 'serving'];
/** Enough to tell them apart, and to name one to another verb. */
const ID_LENGTH = 12;

/** For people. */
export function stateTable({ trustDomain, sequence, authorities }: AuthorityState): string {
  const rows = authorities
    .toSorted((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
    .map((authority) => [
      authority.kind,
      authority.id.slice(0, ID_LENGTH),
      authority.phase,
      isInBundle(authority) ? 'yes' : 'no',
      date(since(authority)) ?? '',
      date(authority.notAfter) ?? '',
      authority.order ?? '',
    ]);
  const header = ['KIND', 'ID', 'PHASE', 'IN BUNDLE', 'SINCE', 'ENDS', 'ORDER'];
  return `trust domain ${trustDomain}, bundle sequence ${sequence}\n\n${formatTable(header, rows)}`;
}

function since(authority: Authority): number | undefined {
  const { phase, preparedAt, publishedAt, activatedAt, retiredAt } = authority;
  return { prepared: preparedAt, published: publishedAt, active: activatedAt, retired: retiredAt }[
    phase
  ];
}

function date(seconds: number | undefined): string | undefined {
  if (seconds === undefined) return undefined;
  return new Date(seconds * 1000).toISOString().replace('.000', '');
}
