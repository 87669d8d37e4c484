// The names of Services among the DNS names of a pod.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { namesOf, viewOf } from './candidate-fixtures.ts';
import { NOW, pod, service, slice } from './fixtures.ts';

suite('A11: names of Services', () => {
  const web = service('web', { selector: { app: 'web' } });
  const labels = { labels: { app: 'web' } };
  const auto = { autoPopulateDNSNames: true };
  const LONG = ['web.city.svc', 'web.city.svc.cluster.local'];
  const SHORT = ['web', 'web.city'];

  function viewWith(spec: JsonObject, objects: { service?: JsonObject; slice?: JsonObject } = {}) {
    const view = viewOf(spec, {}, labels);
    view.set('Service', objects.service ?? web);
    view.set('EndpointSlice', objects.slice ?? slice('web', ['uid-web-0']));
    return view;
  }

  test('A11: sorted, after those of templates, each once', () => {
    const view = viewWith({ ...auto, dnsNameTemplates: ['z.test', 'web.city'] });
    assert.deepEqual(namesOf(view), ['z.test', 'web.city', 'web', ...LONG]);
  });

  test('A11: only where asked for', () => {
    assert.deepEqual(namesOf(viewWith({})), []);
  });

  test('A11: short names are not proven in the strict profile', () => {
    const view = viewOf(auto, { profile: 'strict', clusterDomain: 'k.test' }, labels);
    view.set('Service', web);
    view.set('EndpointSlice', slice('web', ['uid-web-0']));
    assert.deepEqual(namesOf(view), ['web.city.svc', 'web.city.svc.k.test']);
  });

  const disagreeing: readonly [string, { service?: JsonObject; slice?: JsonObject }][] = [
    ['a Service without a selector', { service: service('web') }],
    ['a Service with an empty selector', { service: service('web', { selector: {} }) }],
    ['a selector the pod does not meet', { service: service('web', { selector: { app: 'db' } }) }],
    ['a slice nobody owns', { slice: slice('web', ['uid-web-0'], { ownerReferences: [] }) }],
    [
      'a slice of the predecessor of the same name',
      {
        slice: slice('web', ['uid-web-0'], {
          ownerReferences: [{ kind: 'Service', name: 'web', uid: 'uid-before' }],
        }),
      },
    ],
    [
      'an owner that is no Service',
      {
        slice: slice('web', ['uid-web-0'], {
          ownerReferences: [{ kind: 'Thing', name: 'web', uid: 'uid-web' }],
        }),
      },
    ],
    ['a slice of another namespace', { slice: slice('web', ['uid-web-0'], { namespace: 'b' }) }],
    ['a slice that names other pods', { slice: slice('web', ['uid-other']) }],
    [
      'a Service without a UID',
      {
        service: {
          metadata: { namespace: 'city', name: 'web' },
          spec: { selector: { app: 'web' } },
        },
        slice: slice('web', ['uid-web-0'], { ownerReferences: [] }),
      },
    ],
  ];
  for (const [name, objects] of disagreeing) {
    test(`A11: not from ${name}`, () => {
      assert.deepEqual(namesOf(viewWith(auto, objects)), []);
    });
  }

  test('A11: names come and go with Service, slice and labels', () => {
    const view = viewWith(auto);
    const all = [...SHORT, ...LONG].toSorted();
    assert.deepEqual(namesOf(view), all);
    view.takeChanged(NOW);
    view.remove('Service', web);
    assert.deepEqual(namesOf(view), []);
    assert.ok(view.takeChanged(NOW).has('uid-web-0'));
    view.set('Service', web);
    assert.deepEqual(namesOf(view), all);
    view.set('Pod', pod());
    assert.deepEqual(namesOf(view), []);
    view.set('Pod', pod(labels));
    view.remove('EndpointSlice', slice('web', []));
    assert.deepEqual(namesOf(view), []);
  });
});
