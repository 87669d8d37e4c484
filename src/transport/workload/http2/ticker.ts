// One timer for all connections of the process: time limits are looked at once a second, so that an
// idle stream, and an idle connection, has no timer of its own.

const PERIOD_MS = 1000;

export type Timed = { tick(now: number): void };

const timed = new Set<Timed>();
let timer: NodeJS.Timeout | undefined;

export function startTicking(one: Timed): void {
  timed.add(one);
  timer ??= setInterval(tick, PERIOD_MS).unref();
}

export function stopTicking(one: Timed): void {
  timed.delete(one);
  if (timed.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}

/** Time that never goes back, in milliseconds. */
export function monotonicNow(): number {
  return performance.now();
}

function tick(): void {
  const now = monotonicNow();
  for (const one of timed) one.tick(now);
}
