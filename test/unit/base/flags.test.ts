import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { flagsHelp, parseFlags } from '../../../src/base/flags.ts';

const SPECS = {
  file: { type: 'strings', short: 'f', spreads: true, value: 'FILE', help: 'what to read' },
  tag: { type: 'strings', help: 'a tag' },
  name: { type: 'string', short: 'n', help: 'a name' },
  greeting: { type: 'string', default: 'hello', help: 'a greeting' },
  output: { type: 'choice', short: 'o', of: ['table', 'json'], default: 'table', help: 'how' },
  count: { type: 'integer', default: 3, min: 1, help: 'how many' },
  wait: { type: 'duration', default: '10s', help: 'how long' },
  loud: { type: 'boolean', help: 'louder' },
} as const;

const parse = (...args: string[]) => parseFlags(args, SPECS);

test('what is not given has its default', () => {
  const { flags, positionals } = parse();
  assert.deepEqual(flags, {
    file: [],
    tag: [],
    name: undefined,
    greeting: 'hello',
    output: 'table',
    count: 3,
    wait: 10_000,
    loud: false,
  });
  assert.deepEqual(positionals, []);
});

test('each type is read as what it is; short options are the long ones', () => {
  const line = 'pod/a -n x -o json --count 7 --wait=1m30s --loud rest';
  const { flags, positionals } = parse(...line.split(' '));
  assert.equal(flags.name, 'x');
  assert.equal(flags.output, 'json');
  assert.equal(flags.count, 7);
  assert.equal(flags.wait, 90_000);
  assert.equal(flags.loud, true);
  assert.deepEqual(positionals, ['pod/a', 'rest']);
});

suite('a flag that spreads', () => {
  test('takes all words up to the next flag, by its long and its short name', () => {
    for (const name of ['-f', '--file']) {
      const { flags, positionals } = parse('first', name, 'a', 'b', 'c', '--loud', 'last');
      assert.deepEqual(flags.file, ['a', 'b', 'c']);
      assert.deepEqual(positionals, ['first', 'last']);
    }
  });

  test('may come again, and ends where any other flag begins', () => {
    const { flags, positionals } = parse('-f', 'a', 'b', '--tag', 't', 'word', '--file', 'c');
    assert.deepEqual(flags.file, ['a', 'b', 'c']);
    assert.deepEqual(flags.tag, ['t'], 'one that does not spread takes one word');
    assert.deepEqual(positionals, ['word']);
  });

  test('leaves what follows -- alone', () => {
    const { flags, positionals } = parse('-f', 'a', '--', 'b', 'c');
    assert.deepEqual(flags.file, ['a']);
    assert.deepEqual(positionals, ['b', 'c']);
  });

  test('wants at least one word', () => {
    assert.throws(() => parse('-f'), isInvalid(/file/));
    assert.throws(() => parse('-f', '--loud'), isInvalid(/file/));
  });
});

suite('refused with the name of the flag', () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--unknown'], /--unknown/],
    [['-x'], /-x/],
    [['--name'], /--name/],
    [['--loud=yes'], /--loud/],
    [['--output', 'xml'], /^--output: "xml" is not one of table, json$/],
    [['--count', '0'], /^--count: "0" is not a whole number of at least 1$/],
    [['--count', '1.5'], /^--count: "1.5"/],
    [['--count', '1e3'], /^--count: "1e3"/],
    [['--count', '99999999999999999999'], /^--count: /],
    [['--count='], /^--count: ""/],
    [['--wait', '10'], /^--wait: "10" is not a duration/],
  ];
  for (const [args, message] of cases) {
    test(args.join(' '), () => assert.throws(() => parse(...args), isInvalid(message)));
  }
});

test('the help names every flag, its letter, its value and its default, in one column', () => {
  const [usage, blank, ...rows] = flagsHelp('signet x [flags]', SPECS).trimEnd().split('\n');
  assert.equal(usage, 'signet x [flags]');
  assert.equal(blank, '');
  assert.equal(rows.length, Object.keys(SPECS).length);
  assert.equal(rows[0], '  -f, --file FILE          what to read');
  assert.equal(rows[4], '  -o, --output table|json  how (table)');
  assert.equal(rows[7], '  --loud                   louder');
});

function isInvalid(message: RegExp) {
  return (thrown: unknown) => {
    assert.ok(thrown instanceof CodedError);
    assert.equal(thrown.code, 'invalid-argument');
    assert.match(thrown.message, message);
    return true;
  };
}
