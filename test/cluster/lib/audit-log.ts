// The API server's audit log: who did what to which kind of object, and whether it was allowed.

import { existsSync, readFileSync } from 'node:fs';

export type AuditEntry = {
  /** As who it counted: the impersonated user, when there was one. */
  readonly user: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly status: number;
  readonly allowed: boolean;
};

type Event = {
  readonly user: { readonly username: string };
  readonly impersonatedUser?: { readonly username: string };
  readonly verb: string;
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly annotations?: Readonly<Record<string, string>>;
};

export function readAuditLog(file: string): readonly AuditEntry[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  // The last one may be half written.
  return lines.slice(0, -1).map((line) => entryOf(JSON.parse(line) as Event));
}

function entryOf(event: Event): AuditEntry {
  const { objectRef = {}, verb } = event;
  const { apiGroup = '', resource = '', subresource, namespace = '', name = '' } = objectRef;
  return {
    user: (event.impersonatedUser ?? event.user).username,
    verb,
    group: apiGroup,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    namespace,
    name,
    status: event.responseStatus?.code ?? 0,
    allowed: event.annotations?.['authorization.k8s.io/decision'] === 'allow',
  };
}
