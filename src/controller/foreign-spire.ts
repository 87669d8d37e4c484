// Whether a SPIRE is at work in this cluster: its driver, its controller's Lease. Two who write the
// same status undo each other for ever, so then we leave statuses alone, and say so.

import { CodedError } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import { objectIn, textIn } from '../identity/objects.ts';
import type { EventRecorder, EventSubject } from '../kube/events.ts';
import { segment } from '../kube/kube-client.ts';
import { metadataOf, metadataText } from '../kube/object-key.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import type { ControllerContext } from './controller-context.ts';
import { repeat } from './repeat.ts';

const LOOK_EVERY_MS = 60_000;
const DRIVERS = '/apis/storage.k8s.io/v1/csidrivers';
const LEASES = '/apis/coordination.k8s.io/v1/leases';
/** The controller's own name for its Lease, the chart's, and what people make of them. */
const CONTROLLER_LEASE = /\.spiffe\.io$|spire-controller-manager/;
/** Node Leases are the most by far, and never what is looked for. */
const LEASE_FIELDS = 'metadata.namespace!=kube-node-lease';
/** A clock may be off by so much. */
const MAX_SKEW_MS = 60_000;

type Sign = { readonly subject: EventSubject; readonly what: string };

export class ForeignSpire {
  readonly #context: ControllerContext;
  readonly #events: EventRecorder | undefined;
  /** Whether one is there; nothing until it was looked for once. */
  readonly isThere = new Latest<boolean>();
  #said = '';

  constructor(context: ControllerContext, events: EventRecorder | undefined) {
    this.#context = context;
    this.#events = events;
  }

  /** Looks until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const options = { what: 'look for a SPIRE', everyMs: LOOK_EVERY_MS, clock, log };
    await repeat(options, async () => await this.#look(signal), signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const driver = await this.#driver(signal);
    const signs = [...driver, ...(await this.#leases(signal))];
    // Anybody may write a Lease into a namespace of theirs: it is worth a word, and nothing more.
    this.isThere.set(driver.length > 0);
    const message = signs.map(({ what }) => what).join('; ');
    if (message !== '' && message !== this.#said) {
      this.#context.log.warn(
        { reason: 'ForeignSpire', message },
        'A SPIRE is at work here: writing no status of its kinds without --adopt',
      );
    }
    this.#said = message;
    for (const { subject, what } of signs) {
      this.#events?.record(subject, { type: 'Warning', reason: 'ForeignSpire', message: what });
    }
  }

  async #driver(signal: AbortSignal): Promise<readonly Sign[]> {
    const name = this.#context.driverName;
    const driver = await this.#get(`${DRIVERS}/${segment(name)}`, {}, signal);
    if (driver === undefined) return [];
    const labels = objectIn(metadataOf(driver), 'labels');
    if (textIn(labels, 'app.kubernetes.io/name') === 'signet') return [];
    const kind = { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver' };
    return [{ subject: subjectOf(driver, kind), what: `CSIDriver ${name} is somebody else's` }];
  }

  async #leases(signal: AbortSignal): Promise<readonly Sign[]> {
    const list = await this.#get(LEASES, { fieldSelector: LEASE_FIELDS }, signal);
    const items = list === undefined ? undefined : ownValue(list, 'items');
    if (!Array.isArray(items)) return [];
    const kind = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
    return (items as readonly JsonValue[])
      .filter(isJsonObject)
      .filter((lease) => CONTROLLER_LEASE.test(metadataText(lease, 'name')))
      .filter((lease) => isLive(lease, this.#context.clock.now()))
      .map((lease) => {
        const subject = subjectOf(lease, kind);
        return { subject, what: `Lease ${subject.namespace}/${subject.name} is held` };
      });
  }

  /** What may not be asked for, or is not there, is no sign. */
  async #get(
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<JsonObject | undefined> {
    try {
      return await this.#context.client.send({ method: 'GET', path, query, signal });
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === 'permission-denied') {
        this.#context.log.debug({ path, err: error }, 'May not look for a SPIRE');
        return undefined;
      }
      if (error.code === 'not-found') return undefined;
      throw error;
    }
  }
}

function isLive(lease: JsonObject, now: number): boolean {
  const spec = objectIn(lease, 'spec');
  const renewedAt = Date.parse(textIn(spec, 'renewTime'));
  const seconds = ownValue(spec, 'leaseDurationSeconds');
  const lasts = typeof seconds === 'number' ? seconds * 1000 : 0;
  return textIn(spec, 'holderIdentity') !== '' && now - renewedAt < lasts + MAX_SKEW_MS;
}

function subjectOf(
  object: JsonObject,
  kind: { readonly apiVersion: string; readonly kind: string },
): EventSubject {
  const text = (key: string) => metadataText(object, key);
  return { ...kind, namespace: text('namespace'), name: text('name'), uid: text('uid') };
}
