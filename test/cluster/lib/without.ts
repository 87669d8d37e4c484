// Without an object for a while, to see what stands behind it.

import type { Cluster } from './cluster.ts';

export async function without(
  cluster: Cluster,
  path: string,
  work: () => Promise<void>,
): Promise<void> {
  const { metadata, ...rest } = await cluster.api.get(path);
  await cluster.api.delete(path);
  try {
    await work();
  } finally {
    const { name = '', labels, annotations } = metadata;
    const kept = { name, ...(labels && { labels }), ...(annotations && { annotations }) };
    await cluster.api.create({ ...rest, metadata: kept });
  }
}
