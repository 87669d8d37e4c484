// HPACK against the examples of its standard (RFC 7541 appendix C), and what it must refuse.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { HpackDecoder } from '../../../../src/transport/workload/hpack/hpack-decoder.ts';
import { encodeHeaders } from '../../../../src/transport/workload/hpack/hpack-encoder.ts';
import { HpackError } from '../../../../src/transport/workload/hpack/hpack-error.ts';
import { decodeHuffman, encodeHuffman } from '../../../../src/transport/workload/hpack/huffman.ts';

type Field = readonly [name: string, value: string];
type Step = { readonly hex: string; readonly fields: readonly Field[] };

const LIMIT = { maxListBytes: 8192 };

function pairs(fields: readonly string[] | undefined): Field[] {
  assert.ok(fields !== undefined);
  const list: Field[] = [];
  for (let at = 0; at < fields.length; at += 2) list.push([fields[at] ?? '', fields[at + 1] ?? '']);
  return list;
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

const REQUEST: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const REQUESTS: readonly (readonly Field[])[] = [
  REQUEST,
  [...REQUEST, ['cache-control', 'no-cache']],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
];
const DATE = 'Mon, 21 Oct 2013 20:13:21 GMT';
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const response = (status: string, ...more: readonly Field[]): readonly Field[] => [
  [':status', status],
  ['cache-control', 'private'],
  ['date', DATE],
  ['location', 'https://www.example.com'],
  ...more,
];
const RESPONSES: readonly (readonly Field[])[] = [
  response('302'),
  response('307'),
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', COOKIE],
  ],
];

function steps(hexes: readonly string[], fields: readonly (readonly Field[])[]): Step[] {
  return hexes.map((hex, at) => ({ hex, fields: fields[at] ?? [] }));
}

const EXAMPLES: readonly (readonly [name: string, steps: readonly Step[], tableBytes?: number])[] =
  [
    [
      'C.2.1',
      [
        {
          hex: '400a637573746f6d2d6b65790d637573746f6d2d686561646572',
          fields: [['custom-key', 'custom-header']],
        },
      ],
    ],
    ['C.2.2', [{ hex: '040c2f73616d706c652f70617468', fields: [[':path', '/sample/path']] }]],
    ['C.2.3', [{ hex: '100870617373776f726406736563726574', fields: [['password', 'secret']] }]],
    ['C.2.4', [{ hex: '82', fields: [[':method', 'GET']] }]],
    [
      'C.3',
      steps(
        [
          '828684410f7777772e6578616d706c652e636f6d',
          '828684be58086e6f2d6361636865',
          '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
        ],
        REQUESTS,
      ),
    ],
    [
      'C.4',
      steps(
        [
          '828684418cf1e3c2e5f23a6ba0ab90f4ff',
          '828684be5886a8eb10649cbf',
          '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
        ],
        REQUESTS,
      ),
    ],
    [
      'C.5',
      steps(
        [
          '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
          '4803333037c1c0bf',
          '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
        ],
        RESPONSES,
      ),
      256,
    ],
    [
      'C.6',
      steps(
        [
          '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
          '4883640effc1c0bf',
          '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
        ],
        RESPONSES,
      ),
      256,
    ],
  ];
for (const [name, list, tableBytes] of EXAMPLES) {
  test(`RFC 7541 ${name}`, () => {
    const decoder = new HpackDecoder({
      ...LIMIT,
      ...(tableBytes === undefined ? {} : { maxTableBytes: tableBytes }),
    });
    for (const { hex, fields } of list) {
      assert.deepEqual(pairs(decoder.decode(bytes(hex)).fields), fields);
    }
  });
}

const BROKEN: readonly (readonly [name: string, hex: string])[] = [
  ['6.1: index 0', '80'],
  ['2.3.3: an index beyond the tables', 'be'],
  ['5.1: a number without its end', 'ff'],
  ['5.1: a number of too many octets', 'ffffffffffff7f'],
  ['5.1: a number of endless zeros', '7f8080808080808080'],
  ['5.2: a text that is longer than the block', '400a6375'],
  ['5.2: no text', '40'],
  ['5.2: Huffman padding of eight bits', '408107ff0161'],
  ['5.2: Huffman padding of zeros', '4081180161'],
  ['5.2: EOS in a Huffman text', '4084ffffffff0161'],
  ['4.2: a table larger than allowed', '3fe21f'],
  ['4.2: a size update after a field', '8220'],
  ['4.2: three size updates', '202020'],
];
for (const [name, hex] of BROKEN) {
  test(`RFC 7541 ${name} is refused`, () => {
    assert.throws(() => new HpackDecoder(LIMIT).decode(bytes(hex)), HpackError);
  });
}

test('RFC 7541 4.3: a smaller table forgets its oldest entries; 4.4: a large entry empties it', () => {
  const decoder = new HpackDecoder(LIMIT);
  decoder.decode(bytes('40 0161 0162 40 0163 0164'));
  assert.deepEqual(pairs(decoder.decode(bytes('bebf')).fields), [
    ['c', 'd'],
    ['a', 'b'],
  ]);
  // 34 bytes each: 40 has room for one.
  assert.deepEqual(pairs(decoder.decode(bytes('3f09 be')).fields), [['c', 'd']]);
  assert.throws(() => decoder.decode(bytes('bf')), HpackError);
  const other = new HpackDecoder({ ...LIMIT, maxTableBytes: 64 });
  other.decode(bytes('40 0161 0162'));
  other.decode(Buffer.concat([bytes('40 0161 32'), Buffer.alloc(50, 'x')]));
  assert.throws(() => other.decode(bytes('be')), HpackError);
});

test('a list over its limit is decoded, counted and thrown away; the table is still right', () => {
  const decoder = new HpackDecoder({ maxListBytes: 100 });
  const large = decoder.decode(Buffer.concat([bytes('40 0161 4b'), Buffer.alloc(75, 'x')]));
  assert.deepEqual(large, { fields: undefined, bytes: 1 + 75 + 32 });
  const bomb = decoder.decode(Buffer.alloc(1000, 0xbe));
  assert.deepEqual(bomb, { fields: undefined, bytes: 108_000 });
  assert.equal(decoder.decode(bytes('82')).fields?.length, 2);
});

test('tables keep their order over many entries', () => {
  const decoder = new HpackDecoder(LIMIT);
  for (let round = 0; round < 1000; round += 1) {
    const value = String(round).padStart(4, '0');
    decoder.decode(Buffer.concat([bytes('40 0161 04'), Buffer.from(value)]));
    const ages = Math.min(round, 100);
    const block = Buffer.from([0xbe, 0xbe + Math.min(ages, 60)]);
    assert.deepEqual(pairs(decoder.decode(block).fields), [
      ['a', value],
      ['a', String(round - Math.min(ages, 60)).padStart(4, '0')],
    ]);
  }
});

const text = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
});

test('any bytes come back from the Huffman code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
      const coded = encodeHuffman(plain);
      assert.equal(decodeHuffman(coded, 0, coded.length), Buffer.from(plain).toString('latin1'));
    }),
  );
});

test('any fields come back from a block', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 20 }), (fields) => {
      const decoder = new HpackDecoder({ maxListBytes: 1 << 20 });
      assert.deepEqual(pairs(decoder.decode(encodeHeaders(fields)).fields), fields);
      const neverIndexed = new Set(fields.map(([name]) => name));
      const never = encodeHeaders(fields, { neverIndexed });
      assert.deepEqual(pairs(decoder.decode(never).fields), fields);
    }),
  );
});

test('any bytes are either fields or an HpackError', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder(LIMIT);
      try {
        for (const block of blocks) decoder.decode(Buffer.from(block));
      } catch (thrown) {
        assert.ok(thrown instanceof HpackError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a size update that changes nothing leaves blocks meaning what they meant', () => {
  const decoder = new HpackDecoder(LIMIT);
  decoder.decode(bytes('20 82'));
  const { generation } = decoder;
  decoder.decode(bytes('20 82'));
  assert.equal(decoder.generation, generation);
  decoder.decode(bytes('3f e1 1f 82'));
  assert.notEqual(decoder.generation, generation);
});
