// The DNS names of Services that send traffic to a pod, for `autoPopulateDNSNames`. A slice counts
// only where it agrees with its Service: whoever may write slices must not name other people's pods.

import { addTo, removeFrom } from '../base/multi-map.ts';
import type { JsonObject } from '../template/json-value.ts';
import type { EndpointSliceObject, PodObject, ServiceObject } from './objects.ts';
import type { IdentitySettings } from './settings.ts';

type Key = `${string}/${string}`;

export class ServiceNames {
  readonly #services = new Map<Key, ServiceObject>();
  readonly #slices = new Map<Key, EndpointSliceObject>();
  /** Pod UID → keys of the slices that name it. */
  readonly #slicesOfPod = new Map<string, Set<Key>>();
  /** Service → keys of its slices. */
  readonly #slicesOfService = new Map<Key, Set<Key>>();

  /** Sets or, with undefined, removes a Service; returns the pods whose names may have changed. */
  setService(key: Key, service: ServiceObject | undefined): ReadonlySet<string> {
    if (service === undefined) this.#services.delete(key);
    else this.#services.set(key, service);
    const slices = [...(this.#slicesOfService.get(key) ?? [])];
    return new Set(slices.flatMap((slice) => this.#slices.get(slice)?.podUids ?? []));
  }

  /** The same for an EndpointSlice. */
  setSlice(key: Key, slice: EndpointSliceObject | undefined): ReadonlySet<string> {
    const before = this.#slices.get(key);
    if (before !== undefined) this.#unlink(key, before);
    if (slice === undefined) this.#slices.delete(key);
    else this.#link(key, slice);
    return new Set([...(before?.podUids ?? []), ...(slice?.podUids ?? [])]);
  }

  /** Sorted, as upstream orders them (compatibility A11). */
  namesOf(pod: PodObject, settings: IdentitySettings): readonly string[] {
    const slices = this.#slicesOfPod.get(pod.uid);
    if (slices === undefined) return [];
    const names = new Set<string>();
    for (const key of slices) {
      const slice = this.#slices.get(key);
      if (slice === undefined || slice.namespace !== pod.namespace) continue;
      const service = this.#services.get(serviceKey(slice));
      if (service === undefined || !agrees(slice, service, pod)) continue;
      for (const name of namesOfService(service, settings)) names.add(name);
    }
    return [...names].toSorted();
  }

  #link(key: Key, slice: EndpointSliceObject): void {
    this.#slices.set(key, slice);
    addTo(this.#slicesOfService, serviceKey(slice), key);
    for (const uid of slice.podUids) addTo(this.#slicesOfPod, uid, key);
  }

  #unlink(key: Key, slice: EndpointSliceObject): void {
    removeFrom(this.#slicesOfService, serviceKey(slice), key);
    for (const uid of slice.podUids) removeFrom(this.#slicesOfPod, uid, key);
  }
}

// The short names are anybody's to take: a Service called `postgres`, a namespace called `com`.
function namesOfService(
  { name, namespace }: ServiceObject,
  { clusterDomain, profile }: IdentitySettings,
): readonly string[] {
  const full = `${name}.${namespace}.svc`;
  const long = [full, `${full}.${clusterDomain}`];
  return profile === 'strict' ? long : [name, `${name}.${namespace}`, ...long];
}

function agrees(slice: EndpointSliceObject, service: ServiceObject, pod: PodObject): boolean {
  const { selector, uid } = service;
  if (selector === undefined || uid === '' || slice.ownerUid !== uid) return false;
  return Object.keys(selector).every((key) => hasSame(pod.labels, selector, key));
}

function hasSame(labels: JsonObject, selector: JsonObject, key: string): boolean {
  return Object.hasOwn(labels, key) && labels[key] === selector[key];
}

function serviceKey(slice: EndpointSliceObject): Key {
  return `${slice.namespace}/${slice.serviceName}`;
}
