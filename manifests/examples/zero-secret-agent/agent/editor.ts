// Another agent: asks the researcher for its report, and tries what is not its business.

import { exactly, tlsFetch, trustDomainOf } from '@signet/client';
import { certificates, me } from './identity.ts';
import { again, step } from './steps.ts';

const researcher = exactly(`spiffe://${trustDomainOf(me)}/ns/agents/sa/researcher`);
const fetch = tlsFetch({ source: certificates, authorize: researcher });

async function ask(method: string): Promise<object> {
  const answer = await fetch('https://researcher.agents.svc:8443/report', { method });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return { answer: await answer.text() };
}

await again(async () => {
  await step('read', async () => await ask('GET'));
  await step('delete', async () => await ask('DELETE'));
});
