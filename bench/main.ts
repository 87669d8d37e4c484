// `npm run bench [-- NAME]`: each benchmark in a process of its own, so that none pays for another's
// garbage; one JSON object a line.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const NOT_BENCHMARKS: ReadonlySet<string> = new Set(['main', 'bench-result']);

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
  .filter((name) => !NOT_BENCHMARKS.has(name))
  .toSorted();
const [wanted] = process.argv.slice(2);
if (wanted !== undefined && !names.includes(wanted)) {
  console.error(`no benchmark "${wanted}"; there are ${names.join(', ')}`);
  process.exit(2);
}
for (const name of wanted === undefined ? names : [wanted]) {
  const file = join(import.meta.dirname, `${name}.ts`);
  const { status } = spawnSync(
    process.execPath,
    ['--conditions=source', '--expose-gc', '--max-old-space-size=8192', file],
    { stdio: 'inherit' },
  );
  if (status !== 0) process.exitCode = 1;
}
