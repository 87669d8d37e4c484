// `signet authority`: keeps the authorities of a cluster. `rotate` does what is due and ends, as a job
// does; people have the other verbs.

import { flagsHelp, parseFlags } from '../base/flags.ts';
import { createLogger } from '../base/log.ts';
import { clusterAccess, rotateAuthorities } from '../issuer/authority/main.ts';
import { openAuditLog } from '../issuer/stream-audit-log.ts';
import { parseTrustDomain } from '../spiffe/spiffe-id.ts';
import { VERSION } from '../version.ts';
import { needed } from './access-flags.ts';
import { AUTHORITY_FLAGS } from './authority-flags.ts';
import type { Command, CommandContext } from './command.ts';

const USAGE = 'usage: signet authority rotate --trust-domain NAME --api-server URL …';

export const authorityCommand: Command = async (args, context) => {
  const { flags, positionals } = parseFlags(args, AUTHORITY_FLAGS);
  const [verb, ...rest] = positionals;
  if (flags.help || verb !== 'rotate' || rest.length > 0) {
    context.out(flagsHelp(USAGE, AUTHORITY_FLAGS));
    return flags.help ? 0 : 2;
  }
  return await rotate(flags, context);
};

type AuthorityFlags = ReturnType<typeof parseFlags<typeof AUTHORITY_FLAGS>>['flags'];

async function rotate(flags: AuthorityFlags, context: CommandContext): Promise<number> {
  const { clock, err, signal } = context;
  const trustDomain = parseTrustDomain(needed(flags['trust-domain'], 'trust-domain'));
  const server = needed(flags['api-server'], 'api-server');
  const destination = { write: (line: string) => err(line.trimEnd()) };
  const audit = openAuditLog(flags['audit-log'], clock);
  try {
    await rotateAuthorities(
      {
        trustDomain,
        access: clusterAccess(server, flags['service-account-dir'], clock),
        namespace: flags.namespace,
        clusterDomain: flags['cluster-domain'],
        jwtKeyType: flags['jwt-key-type'],
        audit,
        clock,
        log: createLogger('authority', { level: flags['log-level'], destination }),
        version: VERSION,
      },
      signal,
    );
  } finally {
    audit.close();
  }
  return 0;
}
