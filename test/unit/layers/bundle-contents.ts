// What a command's process loads: the sources in its entry chunk and in all that the chunk imports
// statically, by the metafile of a build.

import type { Metafile } from 'esbuild';

/** Sources by path from the root of the repository, packages as `node_modules/…`. */
export function loadedBy(metafile: Metafile, entryPoint: string): ReadonlySet<string> {
  const [entry] = Object.entries(metafile.outputs).find(
    ([, output]) => output.entryPoint === entryPoint,
  ) ?? [undefined];
  if (entry === undefined) throw new Error(`${entryPoint} is no entry of the build`);
  const open = [entry];
  const seen = new Set<string>();
  const sources = new Set<string>();
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const output = metafile.outputs[name];
    if (seen.has(name) || output === undefined) continue;
    seen.add(name);
    for (const source of Object.keys(output.inputs)) sources.add(source);
    for (const { path, kind } of output.imports) if (kind === 'import-statement') open.push(path);
  }
  return sources;
}
