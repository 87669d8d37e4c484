// An agent with nothing but its identity: it looks up what it needs, asks a model, remembers the answer,
// stores a report, and gives it to agents that may have it.

import { answerOthers } from './answers.ts';
import { count, showCounts } from './metrics.ts';
import { think } from './model.ts';
import { remember } from './notes.ts';
import { store } from './reports.ts';
import { readByCertificate, readByToken } from './secrets.ts';
import { again, step } from './steps.ts';

let report = 'nothing yet';
answerOthers(() => report);
showCounts();

await again(async () => {
  await step('secrets', async () => await readByToken('secret/traffic'));
  await step('secrets-by-certificate', async () => await readByCertificate('secret/traffic'));
  await step('model', async () => ({ answer: await think('How is the traffic?') }));
  report = 'The traffic was looked at.';
  count('model');
  await step('notes', async () => await remember(report));
  await step('reports', async () => ({ tag: await store(report) }));
  await step('other-bucket', async () => ({ tag: await store(report, 'elsewhere') }));
});
