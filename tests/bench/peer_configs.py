"""The configuration of each proxy, as text."""

import resource

ONE_DAY = "24h"
OPEN_FILES = 65536


def raise_file_limit():
    """As many open files as 10,000 connections take on both sides of a proxy, or as many as we may have."""
    global OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, max(hard, OPEN_FILES)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        OPEN_FILES = hard


def sparkbouncer(place, token, cluster):
    """As users run it: a profile with token and cluster, all else left alone."""
    tls = "localhost:{}/;use_ssl=true".format(place.upstream_port) if place.ca else f"127.0.0.1:{place.upstream_port}"
    return "\n".join([
        "[sparkbouncer]",
        f"listen = 127.0.0.1:{place.port}",
        f"control_socket = {place.folder}/control.sock",
        f"databricks_config_file = {place.write('databrickscfg', '')}",
        "profile = bench",
        "",
        "[profile bench]",
        f"upstream = sc://{tls}",
        f"token = {token}",
        f"cluster_id = {cluster}",
        f"ca_file = {place.ca}" if place.ca else "",
        "",
    ])


def haproxy(place, token, cluster):
    tls = (f"ssl verify required ca-file {place.ca} sni str(localhost) verifyhost localhost alpn h2 ssl-min-ver TLSv1.3 "
           "ciphersuites TLS_AES_256_GCM_SHA384") if place.ca else "proto h2"
    # Each call fills and copies whole buffers: large ones double the cost of small calls and halve that of bulk.
    buffers = "    tune.bufsize 262144\n    tune.h2.max-frame-size 131072\n" if place.for_bulk else ""
    return f"""\
global
    nbthread 1
    no strict-limits
    maxconn {min(OPEN_FILES - 1000, 40000)}
{buffers}    tune.h2.initial-window-size 16777216
    tune.h2.max-concurrent-streams 1000
    tune.idle-pool.shared off
defaults
    mode http
    no log
    timeout connect 10s
    timeout client {ONE_DAY}
    timeout server {ONE_DAY}
    timeout http-keep-alive {ONE_DAY}
    http-reuse always
frontend in
    bind 127.0.0.1:{place.port} proto h2 backlog 8192
    http-request set-header authorization "Bearer {token}"
    http-request set-header x-databricks-cluster-id "{cluster}"
    default_backend out
backend out
    server spark 127.0.0.1:{place.upstream_port} {tls} pool-max-conn -1 pool-purge-delay {ONE_DAY}
"""


def nginx(place, token, cluster):
    scheme, tls = "grpc", ""
    if place.ca:
        scheme = "grpcs"
        tls = f"""
            grpc_ssl_trusted_certificate {place.ca};
            grpc_ssl_verify on;
            grpc_ssl_name localhost;
            grpc_ssl_server_name on;
            grpc_ssl_protocols TLSv1.3;
            grpc_ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;"""
    return f"""\
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile {OPEN_FILES};
pid {place.folder}/nginx.pid;
error_log stderr crit;
events {{
    worker_connections {OPEN_FILES - 1000};
    multi_accept on;
}}
http {{
    access_log off;
    client_body_temp_path {place.folder}/body;
    proxy_temp_path {place.folder}/proxy;
    fastcgi_temp_path {place.folder}/fastcgi;
    uwsgi_temp_path {place.folder}/uwsgi;
    scgi_temp_path {place.folder}/scgi;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout {ONE_DAY};
    client_header_timeout {ONE_DAY};
    client_body_timeout {ONE_DAY};
    send_timeout {ONE_DAY};
    client_max_body_size 0;
    client_body_buffer_size 1m;
    http2_max_concurrent_streams 1000;
    http2_recv_buffer_size 1m;
    http2_body_preread_size 16m;
    http2_chunk_size 1m;
    upstream spark {{
        server 127.0.0.1:{place.upstream_port};
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout {ONE_DAY};
    }}
    server {{
        listen 127.0.0.1:{place.port} http2 backlog=8192;
        location / {{
            grpc_pass {scheme}://spark;
            grpc_set_header authorization "Bearer {token}";
            grpc_set_header x-databricks-cluster-id "{cluster}";
            grpc_buffer_size 1m;
            grpc_read_timeout {ONE_DAY};
            grpc_send_timeout {ONE_DAY};{tls}
        }}
    }}
}}
"""


def nghttpx(place, token, cluster):
    backend = f"--backend=127.0.0.1,{place.upstream_port};;proto=h2"
    tls = []
    if place.ca:
        backend += ";tls;sni=localhost"
        tls = [f"--cacert={place.ca}", "--tls-min-proto-version=TLSv1.3", "--tls-max-proto-version=TLSv1.3",
               "--tls13-client-ciphers=TLS_AES_256_GCM_SHA384"]
    return [
        "--conf=/dev/null", "--workers=1", "--single-process", "--single-thread", "--no-ocsp", "--log-level=ERROR",
        "--accesslog-file=", "--errorlog-file=/dev/stderr",
        f"--frontend=127.0.0.1,{place.port};no-tls", backend, *tls,
        "--backlog=8192", f"--rlimit-nofile={OPEN_FILES}", "--no-via", "--no-server-rewrite", "--no-location-rewrite",
        "--frontend-http2-window-size=1M", "--frontend-http2-connection-window-size=256M",
        "--backend-http2-window-size=1M", "--backend-http2-connection-window-size=256M",
        "--frontend-http2-max-concurrent-streams=1000", "--backend-http2-max-concurrent-streams=1000",
        "--backend-request-buffer=1M", "--backend-response-buffer=1M",
        "--frontend-http2-read-timeout=24h", "--stream-read-timeout=24h", "--stream-write-timeout=24h",
        "--backend-read-timeout=24h", "--backend-write-timeout=24h",
        f"--add-request-header=authorization: Bearer {token}",
        f"--add-request-header=x-databricks-cluster-id: {cluster}",
    ]


def envoy(place, token, cluster):
    tls = ""
    if place.ca:
        tls = f"""
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: localhost
        common_tls_context:
          alpn_protocols: [h2]
          tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}
          validation_context: {{trusted_ca: {{filename: "{place.ca}"}}}}"""
    return f"""\
static_resources:
  listeners:
  - name: in
    address: {{socket_address: {{address: 127.0.0.1, port_value: {place.port}}}}}
    tcp_backlog_size: 8192
    per_connection_buffer_limit_bytes: 1048576
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          codec_type: HTTP2
          stat_prefix: in
          generate_request_id: false
          stream_idle_timeout: 0s
          request_timeout: 0s
          common_http_protocol_options: {{idle_timeout: 0s}}
          http2_protocol_options: &http2
            max_concurrent_streams: 1000
            initial_stream_window_size: 1048576
            initial_connection_window_size: 268435456
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
              dynamic_stats: false
              suppress_envoy_headers: true
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /}}
                route: {{cluster: spark, timeout: 0s}}
                request_headers_to_add:
                - header: {{key: authorization, value: "Bearer {token}"}}
                  append_action: OVERWRITE_IF_EXISTS_OR_ADD
                - header: {{key: x-databricks-cluster-id, value: "{cluster}"}}
                  append_action: OVERWRITE_IF_EXISTS_OR_ADD
  clusters:
  - name: spark
    type: STATIC
    connect_timeout: 10s
    per_connection_buffer_limit_bytes: 1048576
    circuit_breakers:
      thresholds: [{{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000}}]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        common_http_protocol_options: {{idle_timeout: 0s}}
        explicit_http_config:
          http2_protocol_options: *http2
    load_assignment:
      cluster_name: spark
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {place.upstream_port}}}}}}}{tls}
"""
