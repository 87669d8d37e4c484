// Which pods have started, as their nodes say, and how often an entry was signed for one that has
// not. Believed, because a node that lies gains no more than its own pods' full lifetime.

type Pod = { published: boolean; readonly prefetched: Map<string, number> };

export class PublishedPods {
  readonly #pods = new Map<string, Pod>();

  publish(podUid: string): void {
    const pod = this.#of(podUid);
    pod.published = true;
    pod.prefetched.clear();
  }

  unpublish(podUid: string): void {
    this.#of(podUid).published = false;
  }

  isPublished(podUid: string): boolean {
    return this.#pods.get(podUid)?.published ?? false;
  }

  /** How often the entry was signed for while the pod was not published. */
  prefetched(podUid: string, entryId: string): number {
    return this.#pods.get(podUid)?.prefetched.get(entryId) ?? 0;
  }

  countSigned(podUid: string, entryId: string): void {
    const { published, prefetched } = this.#of(podUid);
    if (!published) prefetched.set(entryId, (prefetched.get(entryId) ?? 0) + 1);
  }

  /** What was counted did not get out. */
  uncountSigned(podUid: string, entryId: string): void {
    const prefetched = this.#pods.get(podUid)?.prefetched;
    const count = prefetched?.get(entryId) ?? 0;
    if (count > 0) prefetched?.set(entryId, count - 1);
  }

  /** The pod is gone. */
  forget(podUid: string): void {
    this.#pods.delete(podUid);
  }

  #of(podUid: string): Pod {
    const known = this.#pods.get(podUid);
    if (known !== undefined) return known;
    const pod = { published: false, prefetched: new Map<string, number>() };
    this.#pods.set(podUid, pod);
    return pod;
  }
}
