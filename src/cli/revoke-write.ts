// Writes and deletes the restrictions of `signet revoke`. A second call may add, never shorten: who
// wants less undoes the first.

import { CodedError } from '../base/errors.ts';
import { rfc3339Time } from '../crds/rfc3339.ts';
import { canonicalText } from '../kube/canonical-json.ts';
import { type KubeClient, segment } from '../kube/kube-client.ts';
import type { JsonObject } from '../template/json-value.ts';
import { RESTRICTIONS_PATH } from './cluster/identity-objects.ts';
import { ClusterReader, nameOf, objectAt, textAt, valueAt } from './cluster/reader.ts';
import { type RevokeTarget, TARGET_ANNOTATION } from './revoke-target.ts';

export type Written = {
  readonly action: 'Created' | 'Updated' | 'Unchanged';
  readonly until: string | undefined;
};

/** Throws what the client throws. */
export async function writeRestriction(
  client: KubeClient,
  object: JsonObject,
  now: number,
): Promise<Written> {
  const wanted = objectAt(object, 'spec');
  try {
    await client.send({ method: 'POST', path: RESTRICTIONS_PATH, body: object });
    return { action: 'Created', until: untilOf(wanted) };
  } catch (thrown) {
    if (CodedError.from(thrown).code !== 'already-exists') throw thrown;
  }
  const path = `${RESTRICTIONS_PATH}/${segment(nameOf(object))}`;
  const stored = await client.send({ method: 'GET', path });
  const held = objectAt(stored, 'spec');
  const until = laterEnd(held, untilOf(wanted), now);
  const cause = textAt(wanted, 'cause') || textAt(held, 'cause');
  const { until: _until, cause: _cause, ...others } = held;
  // What others added beside it stays; whom it is about is as we say.
  const spec: JsonObject = {
    ...others,
    match: objectAt(wanted, 'match'),
    suspend: true,
    ...(until === undefined ? {} : { until }),
    ...(cause === '' ? {} : { cause }),
  };
  if (canonicalText(spec) === canonicalText(held)) return { action: 'Unchanged', until };
  await client.send({ method: 'PUT', path, body: { ...stored, spec } });
  return { action: 'Updated', until };
}

/** Undefined is for good. What is over, or did not suspend, counts for nothing. */
function laterEnd(held: JsonObject, wanted: string | undefined, now: number): string | undefined {
  const end = untilOf(held);
  if (valueAt(held, 'suspend') !== true) return wanted;
  if (end === undefined || wanted === undefined) return undefined;
  const ends = rfc3339Time(end) ?? 0;
  return ends > Math.max(now, rfc3339Time(wanted) ?? 0) ? end : wanted;
}

function untilOf(spec: JsonObject): string | undefined {
  return textAt(spec, 'until') || undefined;
}

/** Takes away what earlier calls wrote for the target, and nothing that others added; returns the names. */
export async function undo(
  client: KubeClient,
  target: RevokeTarget,
  { dryRun, signal }: { readonly dryRun: boolean; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const reader = new ClusterReader(client, signal);
  const all = (await reader.list(RESTRICTIONS_PATH)) ?? [];
  const ours = all.filter(
    (each) => textAt(each, 'metadata', 'annotations', TARGET_ANNOTATION) === target.text,
  );
  for (const object of dryRun ? [] : ours) await takeBack(client, object, signal);
  return ours.map(nameOf);
}

async function takeBack(client: KubeClient, object: JsonObject, signal: AbortSignal) {
  const path = `${RESTRICTIONS_PATH}/${segment(nameOf(object))}`;
  const { match, suspend: _, until: _until, cause: _cause, ...others } = objectAt(object, 'spec');
  if (Object.keys(others).length > 0 && match !== undefined) {
    const body = { ...object, spec: { match, ...others } };
    await client.send({ method: 'PUT', path, body, signal });
    return;
  }
  const uid = textAt(object, 'metadata', 'uid');
  const resourceVersion = textAt(object, 'metadata', 'resourceVersion');
  const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid, resourceVersion } };
  await client.send({ method: 'DELETE', path, body, signal });
}
