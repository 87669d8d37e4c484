// Random templates of all kinds, most of them meaningful, some broken on purpose; the same ones
// for the same seed.

type Dot = 'data' | 'container' | 'owner' | 'string' | 'other';

const SETTINGS = ['TrustDomain', 'ClusterName', 'ClusterDomain'];
const STRINGS = [
  ...SETTINGS,
  'PodMeta.Name',
  'PodMeta.Namespace',
  'PodMeta.UID',
  'PodMeta.GenerateName',
  'PodMeta.ResourceVersion',
  'PodMeta.Labels.app',
  'PodMeta.Labels.zone',
  'PodMeta.Labels.constructor',
  'PodMeta.Labels.toString',
  'PodMeta.Labels.__proto__',
  'PodMeta.Labels.none',
  'PodMeta.Annotations.note',
  'PodMeta.GetName',
  'PodMeta.GetNamespace',
  'PodMeta.GetUID',
  'PodMeta.GetGenerateName',
  'PodSpec.ServiceAccountName',
  'PodSpec.DeprecatedServiceAccount',
  'PodSpec.NodeName',
  'PodSpec.Hostname',
  'PodSpec.RestartPolicy',
  'PodSpec.DNSPolicy',
  'PodSpec.PriorityClassName',
  'PodSpec.SchedulerName',
  'NodeMeta.Name',
  'NodeMeta.UID',
  'NodeMeta.Labels.zone',
  'NodeSpec.ProviderID',
  'NodeSpec.PodCIDR',
  'PodMeta.CreationTimestamp.String',
  'PodMeta.CreationTimestamp.UTC.Weekday.String',
];
const INTEGERS = [
  'PodMeta.Generation',
  'PodMeta.GetGeneration',
  'PodMeta.CreationTimestamp.Unix',
  'PodMeta.CreationTimestamp.Year',
  'PodMeta.CreationTimestamp.YearDay',
  'PodMeta.CreationTimestamp.Nanosecond',
  'PodMeta.CreationTimestamp.UnixMilli',
  'PodSpec.Priority',
  'PodSpec.TerminationGracePeriodSeconds',
  'PodSpec.ActiveDeadlineSeconds',
  'PodSpec.SecurityContext.RunAsUser',
  'PodMeta.DeletionGracePeriodSeconds',
];
const BOOLS = [
  'PodSpec.HostNetwork',
  'PodSpec.HostPID',
  'PodSpec.EnableServiceLinks',
  'PodSpec.AutomountServiceAccountToken',
  'PodSpec.ShareProcessNamespace',
  'NodeSpec.Unschedulable',
  'PodMeta.CreationTimestamp.IsZero',
  'PodMeta.DeletionTimestamp.IsZero',
  'PodSpec.SecurityContext.RunAsNonRoot',
];
const COLLECTIONS = [
  'PodMeta.Labels',
  'PodMeta.GetLabels',
  'PodMeta.Annotations',
  'PodMeta.OwnerReferences',
  'PodMeta.GetOwnerReferences',
  'PodMeta.Finalizers',
  'PodSpec.Containers',
  'PodSpec.InitContainers',
  'PodSpec.Volumes',
  'PodSpec.Tolerations',
  'PodSpec.ImagePullSecrets',
  'PodSpec.NodeSelector',
  'PodSpec.SecurityContext.SupplementalGroups',
  'PodSpec.Overhead',
  'NodeSpec.Taints',
  'NodeSpec.PodCIDRs',
];
const OTHERS = [
  '',
  'PodMeta',
  'PodSpec',
  'NodeMeta',
  'NodeSpec',
  'PodSpec.SecurityContext',
  'PodSpec.Affinity',
  'PodMeta.CreationTimestamp',
  'PodMeta.DeletionTimestamp',
  'PodMeta.CreationTimestamp.Time',
  'PodMeta.CreationTimestamp.Month',
  'PodMeta.Nothing',
  'PodMeta.namespace',
  'PodMeta.Name.More',
  'PodMeta.Labels.app.more',
  'PodSpec.SecurityContext.SELinuxOptions.User',
  'PodMeta.CreationTimestamp.Weekday',
  'Nothing',
];
const ELEMENT_FIELDS: { readonly [dot in Dot]: readonly string[] } = {
  data: STRINGS,
  container: [
    'Name',
    'Image',
    'ImagePullPolicy',
    'Command',
    'Args',
    'Ports',
    'Env',
    'Resources.Limits.Cpu.String',
    'Resources.Requests.Memory.Value',
    'Resources.Limits.cpu',
    'Stdin',
    'SecurityContext',
    'SecurityContext.RunAsUser',
    'LivenessProbe.HTTPGet.Port.String',
    'LivenessProbe.HTTPGet.Path',
    'ReadinessProbe.TCPSocket.Port.IntValue',
    'RestartPolicy',
    'VolumeMounts',
    'Nothing',
  ],
  owner: ['Kind', 'Name', 'UID', 'APIVersion', 'Controller', 'BlockOwnerDeletion'],
  string: [],
  other: ['Name', 'Key', 'Value', 'Effect', 'Operator', 'TolerationSeconds', 'VolumeSource', 'CSI'],
};
const LITERALS = [
  '""',
  '"a"',
  '"b/c"',
  '"web"',
  '"app"',
  '"zone"',
  '"constructor"',
  '"example.com/team"',
  '"<b>&\'x\'</b>"',
  '"\\u00e9\\u4e16"',
  '"\\xff\\x41"',
  '"\\t\\n\\""',
  '`raw "x"`',
  '"%d"',
  '"é世🙂"',
  '"a b+c/d?e=f&g"',
  '"\\u2028\\u00a0"',
];
const NUMBERS = [
  '0',
  '1',
  '2',
  '3',
  '10',
  '-1',
  '+7',
  '255',
  '0x1F',
  '0b101',
  '0o17',
  '017',
  '1_000',
  "'a'",
  "'\\n'",
  "'\\u4e16'",
  '1.5',
  '-2.25',
  '1e3',
  '1e6',
  '1e21',
  '1e-7',
  '.5',
  '3.',
  '0.1',
  '9223372036854775807',
  '9223372036854775808',
  '18446744073709551616',
  '0x1p4',
  '1__0',
  '08',
  '2i',
  '1e400',
  '123456789.0',
  '100000.5',
];
const FORMATS = [
  '%s',
  '%v',
  '%d',
  '%q',
  '%x',
  '%X',
  '%t',
  '%T',
  '%5s|',
  '%-8s|',
  '%05d',
  '%+d',
  '%.2s',
  '%c',
  '%U',
  '%#x',
  '%#v',
  '%+v',
  '%b',
  '%o',
  '%O',
  '%08.3f',
  '%e',
  '%g',
  '%6.2f',
  '%%',
  '%!',
  '%z',
  '%[2]s %[1]s',
  '%[3]d',
  '%*d',
  '%.*s',
  '%',
  '%-',
  '%5',
  '% d',
  '% x',
  '%#q',
  '%+q',
  '%.3d',
  '%010s',
  '%-05d|',
  '%#o',
  '%w',
  '%[1]*d',
  '%6.3v',
  '%.0f',
  '%#g',
  '%G',
  '%E',
  '%.10g',
  '%p',
  '%#U',
  '%x %X',
  '%é',
  '%1$s',
  '%.-2d',
  '%[x]d',
  '%[1',
  '%+.3e',
  '%t%t',
  '%v-%v-%v',
  '%5t|',
];
const LAYOUTS = [
  '"2006-01-02"',
  '"15:04:05"',
  '"Mon Jan _2 2006"',
  '"January 2, 06 3PM"',
  '"2006-01-02T15:04:05Z07:00"',
  '"002 __2 .000 .999 -0700 MST"',
];
const BREAKERS = [
  '{{',
  '}}',
  '"',
  '(',
  ')',
  '|',
  '.',
  '$',
  ' ',
  ':=',
  '-',
  'end',
  'x',
  '`',
  ',',
  '\n',
];

/** A pseudo-random sequence (mulberry32). */
export function newRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Generator {
  readonly #random: () => number;
  #variables: string[] = [];
  #inRange = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** One template; one in eight has a character too many or too few. */
  template(): string {
    this.#variables = [];
    this.#inRange = 0;
    let source = '';
    if (this.#one(6)) source += `{{ define "t1" }}${this.#body(1, 'other')}{{ end }}`;
    if (this.#one(12)) source += `{{ block "t2" . }}${this.#body(1, 'data')}{{ end }}`;
    this.#variables = [];
    source += this.#body(3, 'data');
    return this.#one(8) ? this.#broken(source) : source;
  }

  #broken(source: string): string {
    const at = this.#below(source.length + 1);
    if (this.#one(2)) return source.slice(0, at) + source.slice(at + 1 + this.#below(3));
    return source.slice(0, at) + this.#pick(BREAKERS) + source.slice(at);
  }

  #body(depth: number, dot: Dot): string {
    const known = this.#variables.length;
    let body = '';
    for (let count = 1 + this.#below(3); count > 0; count--) body += this.#statement(depth, dot);
    this.#variables.length = known;
    return body;
  }

  #statement(depth: number, dot: Dot): string {
    const kind = this.#below(depth > 0 ? 16 : 7);
    switch (kind) {
      case 0:
        return this.#pick(['/', 'x', ' ', 'spiffe://', '\n', ' a b ', '{', '}', 'é', '']);
      case 1:
      case 2:
      case 3:
      case 4:
        return this.#action(this.#pipeline(2, dot));
      case 5: {
        const action = `$v${this.#below(3)}`;
        const declared = this.#action(`${action} := ${this.#pipeline(1, dot)}`);
        this.#variables.push(action);
        return declared;
      }
      case 6:
        if (this.#inRange > 0 && this.#one(3)) return this.#pick(['{{break}}', '{{ continue }}']);
        if (this.#variables.length > 0) {
          return this.#action(`${this.#pick(this.#variables)} = ${this.#pipeline(1, dot)}`);
        }
        return this.#pick(['{{/* c */}}', '{{- /* c */ -}}', '{{ template "t1" .PodMeta }}']);
      case 7:
      case 8:
      case 9:
        return this.#branches('if', depth, dot);
      case 10:
      case 11:
        return this.#branches('with', depth, dot);
      case 12:
        return `{{ template ${this.#pick(['"t1"', '"t2"', '"none"'])} ${this.#any(1, dot)} }}`;
      default:
        return this.#range(depth, dot);
    }
  }

  #action(inner: string): string {
    const left = this.#pick(['{{ ', '{{ ', '{{', '{{- ']);
    return `${left}${inner}${this.#pick([' }}', ' }}', '}}', ' -}}'])}`;
  }

  #branches(keyword: 'if' | 'with', depth: number, dot: Dot): string {
    const known = this.#variables.length;
    const head = () => {
      if (!this.#one(6)) return this.#pipeline(1, dot);
      const declaration = `$v${this.#below(3)}`;
      const pipe = `${declaration} := ${this.#pipeline(1, dot)}`;
      this.#variables.push(declaration);
      return pipe;
    };
    const inner: Dot = keyword === 'with' ? 'string' : dot;
    let text = `${this.#action(`${keyword} ${head()}`)}${this.#body(depth - 1, inner)}`;
    if (this.#one(4)) {
      text += `${this.#action(`else ${keyword} ${head()}`)}${this.#body(depth - 1, inner)}`;
    }
    if (this.#one(2)) text += `${this.#action('else')}${this.#body(depth - 1, dot)}`;
    this.#variables.length = known;
    return `${text}${this.#action('end')}`;
  }

  #range(depth: number, dot: Dot): string {
    const known = this.#variables.length;
    const over = this.#pick([...COLLECTIONS, 'PodSpec.Containers', 'PodMeta.OwnerReferences', '3']);
    const inner: Dot = over.endsWith('ontainers')
      ? 'container'
      : over.endsWith('OwnerReferences')
        ? 'owner'
        : /Labels|Annotations|Finalizers|Selector|CIDRs/.test(over)
          ? 'string'
          : 'other';
    const names = this.#pick([[], [], ['$e'], ['$i', '$e']]);
    const pipe = over === '3' ? this.#pick(['3', '(len "ab")', '0', '-1']) : `$.${over}`;
    this.#variables.push(...names);
    const declaration = names.length > 0 ? `${names.join(', ')} := ` : '';
    let text = this.#action(`range ${declaration}${pipe}`);
    this.#inRange += 1;
    text += this.#body(depth - 1, inner);
    this.#inRange -= 1;
    this.#variables.length = known;
    if (this.#one(3)) text += `${this.#action('else')}${this.#body(depth - 1, dot)}`;
    return `${text}${this.#action('end')}`;
  }

  #pipeline(depth: number, dot: Dot): string {
    const first = this.#bare(this.#any(depth, dot));
    if (!this.#one(4)) return first;
    const next = this.#pick([
      'printf "%s"',
      'printf "%v-%v" "x"',
      'printf "%q"',
      'len',
      'print',
      'println',
      'html',
      'js',
      'urlquery',
      'not',
      'eq "web"',
      'index .PodMeta.Labels',
      'index $.PodMeta.Labels',
      'and 1',
      'or ""',
      'print "a"',
      'slice "abcdef"',
      'lt 1',
    ]);
    return `${first} | ${next}${this.#one(4) ? ' | print' : ''}`;
  }

  /** Without the parentheses around a whole command. */
  #bare(expression: string): string {
    return expression.startsWith('(') && this.#matching(expression) && !this.#one(6)
      ? expression.slice(1, -1)
      : expression;
  }

  #matching(expression: string): boolean {
    let depth = 0;
    for (let at = 0; at < expression.length; at++) {
      if (expression.charAt(at) === '(') depth += 1;
      if (expression.charAt(at) === ')') depth -= 1;
      if (depth === 0) return at === expression.length - 1;
    }
    return false;
  }

  #any(depth: number, dot: Dot): string {
    switch (this.#below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.#string(depth, dot);
      case 4:
      case 5:
        return this.#integer(depth, dot);
      case 6:
        return this.#bool(depth, dot);
      case 7:
        return this.#pick([...COLLECTIONS.map((path) => `$.${path}`), 'nil', '.']);
      case 8:
        return this.#pick(this.#variables.length > 0 ? this.#variables : ['.', '$']);
      default:
        return `$.${this.#pick(OTHERS)}`.replace(/\.$/, '');
    }
  }

  #string(depth: number, dot: Dot): string {
    const kind = this.#below(depth > 0 ? 14 : 5);
    const inner = () => this.#string(depth - 1, dot);
    switch (kind) {
      case 0:
        return this.#pick(LITERALS);
      case 1:
      case 2:
        return dot === 'data' ? `.${this.#pick(STRINGS)}` : `$.${this.#pick(STRINGS)}`;
      case 3: {
        const fields = ELEMENT_FIELDS[dot];
        return fields.length === 0 ? '.' : `.${this.#pick(fields)}`;
      }
      case 4:
        return this.#variables.length > 0 ? this.#pick(this.#variables) : '.';
      case 5:
        return `(${this.#pick(['html', 'js', 'urlquery', 'print', 'println'])} ${inner()})`;
      case 6:
        return `(print ${this.#any(depth - 1, dot)} ${this.#any(depth - 1, dot)})`;
      case 7:
      case 8:
        return this.#printf(depth, dot);
      case 9:
        return `(index $.PodMeta.Labels ${inner()})`;
      case 10:
        return `(slice ${inner()} ${this.#below(4)}${this.#one(2) ? ` ${this.#below(8)}` : ''})`;
      case 11:
        return `($.PodMeta.CreationTimestamp.Format ${this.#pick(LAYOUTS)})`;
      case 12:
        return `(${this.#pick(['and', 'or'])} ${inner()} ${inner()})`;
      default:
        return this.#pick([
          '(index $.PodSpec.Containers 0).Name',
          '(index $.PodSpec.Containers 1).Image',
          '(index $.PodMeta.OwnerReferences 0).Kind',
          '(index $.PodMeta.Finalizers 0)',
          '(slice $.PodSpec.Containers 0 1)',
          '(slice $.PodMeta.Finalizers 0 1 1)',
          '(index $.NodeSpec.Taints 0).Key',
          '(index (index $.PodSpec.Containers 0).Command 0)',
          '(index $.PodMeta.Labels)',
          '(call $.PodMeta.Name)',
          '(call nil)',
          '(index nil 1)',
          '($.PodMeta.Labels.app)',
          '(index $.PodSpec.Overhead "cpu")',
        ]);
    }
  }

  #printf(depth: number, dot: Dot): string {
    const args = Array.from({ length: this.#below(4) }, () => this.#any(depth - 1, dot));
    const format = this.#pick(FORMATS) + (this.#one(3) ? this.#pick(FORMATS) : '');
    return `(printf ${[JSON.stringify(format), ...args].join(' ')})`;
  }

  #integer(depth: number, dot: Dot): string {
    const kind = this.#below(depth > 0 ? 6 : 3);
    if (kind < 2) return this.#pick(NUMBERS.slice(0, this.#one(2) ? 12 : undefined));
    if (kind < 4) return `$.${this.#pick(INTEGERS)}`;
    if (kind === 4) return `(len ${this.#any(depth - 1, dot)})`;
    return `(index ${this.#pick(['"abc"', '$.PodMeta.Name', '$.PodSpec.SecurityContext.SupplementalGroups'])} ${this.#below(4)})`;
  }

  #bool(depth: number, dot: Dot): string {
    const kind = this.#below(depth > 0 ? 8 : 2);
    if (kind === 0) return this.#pick(['true', 'false']);
    if (kind === 1) return `$.${this.#pick(BOOLS)}`;
    if (kind === 2) return `(not ${this.#any(depth - 1, dot)})`;
    const pair = this.#one(3)
      ? [this.#any(depth - 1, dot), this.#any(depth - 1, dot)]
      : this.#one(2)
        ? [this.#string(depth - 1, dot), this.#string(depth - 1, dot)]
        : [this.#integer(depth - 1, dot), this.#integer(depth - 1, dot)];
    const more = this.#one(5) ? ` ${this.#any(depth - 1, dot)}` : '';
    const operator = this.#pick(['eq', 'eq', 'ne', 'lt', 'le', 'gt', 'ge', 'and', 'or']);
    return `(${operator} ${pair.join(' ')}${more})`;
  }

  #one(of: number): boolean {
    return this.#below(of) === 0;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)] as T;
  }
}
