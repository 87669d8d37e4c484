// What the Envoys of the tests are told: secrets come from a pod's socket, everything else listens on
// and dials Unix sockets, so that none of them has or needs a network.

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
/** Some put the socket's path there (WE-25). */
const RAW_PATH = '/spiffe-workload-api/spire-agent.sock';
/** Without it an Envoy may wait for half a minute after its server was away for a second. */
const RETRY = { retry_back_off: { base_interval: '0.2s', max_interval: '1s' } };
const HTTP = 'type.googleapis.com/envoy.extensions';

export type EnvoyOptions = {
  /** A folder with a short path: for the admin socket and listeners. */
  readonly directory: string;
  readonly name: string;
  /** The pod's Workload API socket. */
  readonly secrets: string;
  readonly listener: object;
  /** Where requests go. */
  readonly upstream: object;
  readonly metadata?: object;
};

export function bootstrap({ directory, name, ...options }: EnvoyOptions): object {
  return {
    node: { id: name, cluster: 'tests', metadata: options.metadata ?? {} },
    admin: { address: pipe(`${directory}/${name}.admin`) },
    static_resources: {
      listeners: [options.listener],
      clusters: [
        {
          name: 'signet',
          connect_timeout: '2s',
          typed_extension_protocol_options: protocol({
            explicit_http_config: { http2_protocol_options: {} },
          }),
          load_assignment: endpoint('signet', options.secrets),
        },
        options.upstream,
      ],
    },
  };
}

/** Accepts plain HTTP, and sends it on. */
export function plainListener(path: string): object {
  return { name: 'in', address: pipe(path), filter_chains: [{ filters: [connectionManager([])] }] };
}

/** Accepts mTLS of peers that the bundles know, and requests of one principal alone. */
export function tlsListener(
  path: string,
  {
    certificate,
    validation,
    principal,
  }: Record<'certificate' | 'validation' | 'principal', string>,
): object {
  const rbac = {
    name: 'rbac',
    typed_config: {
      '@type': `${HTTP}.filters.http.rbac.v3.RBAC`,
      rules: {
        action: 'ALLOW',
        policies: {
          callers: {
            permissions: [{ any: true }],
            principals: [{ authenticated: { principal_name: { exact: principal } } }],
          },
        },
      },
    },
  };
  const transport_socket = {
    name: 'tls',
    typed_config: {
      '@type': `${TLS}.DownstreamTlsContext`,
      require_client_certificate: true,
      disable_stateless_session_resumption: true,
      disable_stateful_session_resumption: true,
      common_tls_context: {
        tls_certificate_sds_secret_configs: [secret(certificate)],
        validation_context_sds_secret_config: secret(validation),
      },
    },
  };
  return {
    name: 'in',
    address: pipe(path),
    filter_chains: [{ transport_socket, filters: [connectionManager([rbac])] }],
  };
}

/** Plain HTTP to a Unix socket. */
export function plainUpstream(path: string): object {
  return { name: 'out', connect_timeout: '2s', load_assignment: endpoint('out', path) };
}

/** mTLS to a peer with one SPIFFE ID; a handshake for each request. */
export function tlsUpstream(
  path: string,
  { certificate, validation, peer }: Record<'certificate' | 'validation' | 'peer', string>,
): object {
  return {
    name: 'out',
    connect_timeout: '2s',
    load_assignment: endpoint('out', path),
    typed_extension_protocol_options: protocol({
      common_http_protocol_options: { max_requests_per_connection: 1 },
      explicit_http_config: { http_protocol_options: {} },
    }),
    transport_socket: {
      name: 'tls',
      typed_config: {
        '@type': `${TLS}.UpstreamTlsContext`,
        max_session_keys: 0,
        common_tls_context: {
          tls_certificate_sds_secret_configs: [secret(certificate)],
          combined_validation_context: {
            default_validation_context: {
              match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: peer } }],
            },
            validation_context_sds_secret_config: secret(validation, RAW_PATH),
          },
        },
      },
    },
  };
}

function connectionManager(filters: readonly object[]): object {
  return {
    name: 'http',
    typed_config: {
      '@type': `${HTTP}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'in',
      forward_client_cert_details: 'SANITIZE_SET',
      set_current_client_cert_details: { uri: true, cert: true },
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'out' } }],
          },
        ],
      },
      http_filters: [
        ...filters,
        { name: 'router', typed_config: { '@type': `${HTTP}.filters.http.router.v3.Router` } },
      ],
    },
  };
}

/** By default an Envoy's `:authority` is its cluster's name. */
function secret(name: string, authority = ''): object {
  return {
    name,
    sds_config: {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'signet', authority, retry_policy: RETRY } }],
      },
    },
  };
}

function protocol(options: object): object {
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${HTTP}.upstreams.http.v3.HttpProtocolOptions`,
      ...options,
    },
  };
}

function endpoint(cluster: string, path: string): object {
  return {
    cluster_name: cluster,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: pipe(path) } }] }],
  };
}

function pipe(path: string): object {
  return { pipe: { path } };
}
