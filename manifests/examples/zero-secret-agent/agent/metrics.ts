// What this agent counts, for a Prometheus beside it, on this pod's loopback alone.

import { createServer } from 'node:http';

const counts = new Map<string, number>();

export function count(step: string): void {
  counts.set(step, (counts.get(step) ?? 0) + 1);
}

export function showCounts(port = 9464): void {
  createServer((_request, response) => {
    const lines = [...counts].map(([step, n]) => `agent_steps_total{step="${step}"} ${n}\n`);
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(`# TYPE agent_steps_total counter\n${lines.join('')}`);
  }).listen(port, '127.0.0.1');
}
