// What a process that holds keys must not be started with: variables and options of Node.js and gRPC
// that change whom it trusts, write secrets somewhere, or let others look inside or run code in it.

export type StartEnvironment = {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What stood on the command line before the program. */
  readonly execArgv: readonly string[];
};

type Rule = {
  readonly name: RegExp;
  /** Whether a value does no harm. */
  readonly harmless?: (value: string) => boolean;
  readonly why: string;
};

const VARIABLES: readonly Rule[] = [
  { name: /^NODE_TLS_REJECT_UNAUTHORIZED$/, why: 'can switch the verification of peers off' },
  { name: /^NODE_EXTRA_CA_CERTS$/, why: 'adds authorities' },
  { name: /^GRPC_DEFAULT_SSL_ROOTS_FILE_PATH$/, why: 'adds authorities' },
  { name: /^SSLKEYLOGFILE$/, why: 'writes the keys of connections' },
  { name: /^NODE_DEBUG(?:_NATIVE)?$/, why: 'writes what is sent' },
  { name: /^GRPC_(?:NODE_)?TRACE$/, why: 'writes what is sent' },
  {
    name: /^GRPC_(?:NODE_)?VERBOSITY$/,
    harmless: (value) => value.toUpperCase() !== 'DEBUG',
    why: 'writes what is sent',
  },
  { name: /^(?:https?|all|grpc)_proxy$/i, why: 'sends connections to somebody else' },
];

const OPTIONS: readonly Rule[] = [
  { name: /^--(?:inspect|debug)(?:-|$)/, why: 'lets others read the memory' },
  { name: /^--(?:experimental-)?(?:report|diagnostic-report)-/, why: 'writes the environment' },
  { name: /^--(?:heapsnapshot|heap-prof|cpu-prof)(?:-|$)/, why: 'writes the memory' },
  { name: /^--(?:tls-keylog|trace-tls)$/, why: 'writes the keys of connections' },
  { name: /^--(?:use-openssl-ca|use-system-ca|use-env-proxy)$/, why: 'changes whom it trusts' },
  {
    name: /^(?:-r|--(?:require|import|loader|experimental-loader))$/,
    why: 'runs code of somebody else first',
  },
];

/** One line for each thing that is wrong; none when the process may start. Never tells a value. */
export function startProblems({ variables, execArgv }: StartEnvironment): readonly string[] {
  const set = Object.entries(variables).flatMap(([name, value = '']) => {
    const rule = value === '' ? undefined : VARIABLES.find((rule) => rule.name.test(name));
    const isHarmless = rule === undefined || rule.harmless?.(value) === true;
    return isHarmless ? [] : [`${name} is set: it ${rule.why}`];
  });
  const given = [
    ...options(execArgv, 'option'),
    ...options(words(variables['NODE_OPTIONS'] ?? ''), 'NODE_OPTIONS has'),
  ];
  return [...set, ...given];
}

function options(args: readonly string[], where: string): readonly string[] {
  return args.flatMap((arg) => {
    // Node.js takes underscores for dashes.
    const [name = ''] = arg.replaceAll('_', '-').split('=');
    const rule = OPTIONS.find((rule) => rule.name.test(name));
    return rule === undefined ? [] : [`${where} ${name}: it ${rule.why}`];
  });
}

// Node.js knows double quotes and backslashes here. Dropping them can only find more than is there.
function words(text: string): readonly string[] {
  return text.replaceAll(/["\\]/g, '').split(/\s+/);
}
