// What tests of whole processes share: their probes, and waiting for what they do.

export type Probed = { readonly status: number; readonly text: string };

/** What a kubelet reads of a process on this machine. */
export async function probe(port: number, path: string): Promise<Probed> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

/** Throws when the condition does not hold in time. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  patienceMs: number,
): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > patienceMs) throw new Error('the condition never held');
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}
