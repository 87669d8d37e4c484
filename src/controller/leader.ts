// What one replica alone does: everything that writes.

import type { ControllerContext } from './controller-context.ts';
import type { PublicAuthorities } from './public-authorities.ts';
import { WebhookAuthorities } from './webhook-authorities.ts';

/** Works until aborted. */
export async function lead(
  context: ControllerContext,
  authorities: PublicAuthorities,
  signal: AbortSignal,
): Promise<void> {
  await new WebhookAuthorities(context, authorities).run(signal);
}
