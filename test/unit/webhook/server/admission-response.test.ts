// The answer, within what an API server passes on.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  formatAdmissionResponse,
  MAX_MESSAGE_LENGTH,
  MAX_WARNING_LENGTH,
  MAX_WARNINGS,
  type Verdict,
} from '../../../../src/webhook/server/admission-response.ts';
import { responseOf, textOf } from './review-fixtures.ts';

const ALLOWED: Verdict = { allowed: true, message: '', warnings: [], patch: [] };

function respond(changes: Partial<Verdict>) {
  return responseOf(formatAdmissionResponse('uid-1', { ...ALLOWED, ...changes }));
}

test('is a review of the same version with the same uid', () => {
  assert.deepEqual(JSON.parse(formatAdmissionResponse('uid-1', ALLOWED)), {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'uid-1', allowed: true },
  });
});

test('a patch is a JSONPatch in base64', () => {
  const patch = [{ op: 'add', path: '/metadata/labels', value: { ä: 'ö' } }] as const;
  const response = respond({ patch });
  assert.equal(response['patchType'], 'JSONPatch');
  const text = Buffer.from(textOf(response, 'patch'), 'base64').toString();
  assert.deepEqual(JSON.parse(text), patch);
});

suite('a refusal', () => {
  test('has a message and is forbidden, unless it says otherwise', () => {
    const refused = respond({ allowed: false, message: 'no' });
    assert.deepEqual(refused, {
      uid: 'uid-1',
      allowed: false,
      status: { code: 403, message: 'no' },
    });
    const later = respond({ allowed: false, message: 'later', code: 503 });
    assert.deepEqual(later['status'], { code: 503, message: 'later' });
  });

  test('never comes with a patch', () => {
    const patch = [{ op: 'add', path: '/a', value: 1 }] as const;
    assert.equal(respond({ allowed: false, patch })['patch'], undefined);
  });

  test('has a bounded message on one line', () => {
    const { status } = respond({ allowed: false, message: `a\nb${'c'.repeat(5000)}` });
    const { message } = status as { readonly message: string };
    assert.equal(message.length, MAX_MESSAGE_LENGTH);
    assert.match(message, /^a bc+…$/);
  });
});

suite('warnings', () => {
  const warningsOf = (warnings: readonly string[]) =>
    respond({ warnings })['warnings'] as readonly string[];

  test('as they are when few and short', () => {
    assert.deepEqual(warningsOf(['a', 'b']), ['a', 'b']);
    assert.equal(respond({ warnings: [] })['warnings'], undefined);
  });

  test('cut, and never inside a pair', () => {
    const exact = 'x'.repeat(MAX_WARNING_LENGTH);
    assert.deepEqual(warningsOf([exact]), [exact]);
    const [long = ''] = warningsOf([`${exact}x`]);
    assert.equal(long.length, MAX_WARNING_LENGTH);
    const [pair = ''] = warningsOf([`${'x'.repeat(MAX_WARNING_LENGTH - 2)}😀😀`]);
    assert.ok(pair.isWellFormed() && pair.length <= MAX_WARNING_LENGTH, pair);
  });

  test('counted when there are more than fit', () => {
    const all = Array.from({ length: MAX_WARNINGS + 5 }, (_, index) => `w${index}`);
    const shown = warningsOf(all);
    assert.equal(shown.length, MAX_WARNINGS);
    assert.equal(shown.at(-1), 'and 6 more');
    assert.equal(warningsOf(all.slice(0, MAX_WARNINGS)).at(-1), `w${MAX_WARNINGS - 1}`);
  });

  test('without what would break a header or a terminal', () => {
    assert.deepEqual(warningsOf(['a\r\nb\u001b[31mc\u202ed\ud800']), ['a b [31mc d\ufffd']);
  });
});
