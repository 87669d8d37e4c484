// What a fake API server does with one object: read, create, apply, patch, replace, delete.

import type { ServerResponse } from 'node:http';
import {
  type ApiObject,
  type ApiRequest,
  answer,
  failure,
  type Route,
} from './fake-api-messages.ts';
import type { FakeApiObjects } from './fake-api-objects.ts';

export function answerOne(
  objects: FakeApiObjects,
  { route, request }: { readonly route: Route; readonly request: ApiRequest },
  response: ServerResponse,
): void {
  const { collection, namespace, subresource } = route;
  const body = request.body as ApiObject | undefined;
  const name = route.name ?? body?.metadata.name ?? '';
  const place = { name, ...(namespace === undefined ? {} : { namespace }) };
  const known = objects.get(collection, name, namespace);
  if (request.method === 'POST') {
    if (known !== undefined) {
      answer(response, 409, failure(409, 'AlreadyExists', `${name} already exists`));
      return;
    }
    if (request.query.get('dryRun') === 'All') {
      answer(response, 201, body);
      return;
    }
    answer(
      response,
      201,
      objects.set(collection, { ...body, metadata: { ...body?.metadata, ...place } }),
    );
    return;
  }
  const isApplied = request.contentType === 'application/apply-patch+yaml';
  if (known === undefined && isApplied && subresource === undefined) {
    answer(response, 201, objects.set(collection, body ?? { metadata: place }));
  } else if (known === undefined) {
    answer(response, 404, failure(404, 'NotFound', `${name} not found`));
  } else if (request.method === 'GET') {
    answer(response, 200, known);
  } else if (isStale(body, known)) {
    answer(response, 409, failure(409, 'Conflict', 'the object has been modified'));
  } else if (request.method === 'DELETE') {
    objects.delete(collection, name, namespace);
    answer(response, 200, { kind: 'Status', status: 'Success' });
  } else {
    const next =
      request.method === 'PUT'
        ? { ...body, metadata: { ...body?.metadata, ...place, uid: known.metadata.uid ?? '' } }
        : merge(known, subresource === 'status' ? { status: body?.['status'] } : (body ?? {}));
    answer(response, 200, objects.set(collection, next as ApiObject));
  }
}

function isStale(body: ApiObject | undefined, known: ApiObject): boolean {
  const { resourceVersion, uid } = body?.metadata ?? {};
  return (
    (resourceVersion !== undefined && resourceVersion !== known.metadata.resourceVersion) ||
    (uid !== undefined && uid !== known.metadata.uid)
  );
}

/** RFC 7396. */
function merge(into: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base = typeof into === 'object' && into !== null && !Array.isArray(into) ? into : {};
  const result = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, merge(result.get(key), value));
  }
  return Object.fromEntries(result);
}
