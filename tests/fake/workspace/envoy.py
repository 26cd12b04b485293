"""Envoy's configuration: TLS with ALPN, HTTP/2 and HTTP/1.1, and each call's verdict asked for before it passes.

Before a gRPC request takes its route, ext_authz asks the service; the verdict comes back as a request header, by which the
route is chosen anew: to Spark, or to the service, which answers with the refusal. Only calls with
x-databricks-session-id are held until some of their body is there, as only for them it matters.
"""

import json

from service import AUTHORIZE, VERDICT

TYPE = "type.googleapis.com/envoy.extensions."
FIRST_BYTES = 8192


def _address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}


def _cluster(name, host, port, speaks_http2):
    protocol = {"http2_protocol_options": {"max_concurrent_streams": 1000}} if speaks_http2 else {"http_protocol_options": {}}
    return {
        "name": name, "type": "STRICT_DNS", "dns_lookup_family": "V4_ONLY", "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [{"max_connections": 10000, "max_pending_requests": 10000, "max_requests": 10000,
                                             "max_retries": 100}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": TYPE + "upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": protocol}},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": _address(host, port)}}]}]},
    }


def _per_route(**settings):
    return {"envoy.filters.http.ext_authz": {"@type": TYPE + "filters.http.ext_authz.v3.ExtAuthzPerRoute", **settings}}


def _routes():
    to_spark = {"cluster": "spark", "timeout": "0s"}
    to_service = {"cluster": "service", "timeout": "0s"}
    is_refused = {"name": VERDICT, "string_match": {"exact": "allow"}, "invert_match": True,
                  "treat_missing_header_as_empty": False}
    is_allowed = {"name": VERDICT, "string_match": {"exact": "allow"}}
    with_body = {"check_settings": {"with_request_body": {"max_request_bytes": FIRST_BYTES, "allow_partial_message": True,
                                                          "pack_as_bytes": True}}}
    return [
        {"match": {"prefix": "/", "grpc": {}, "headers": [is_refused]}, "route": to_service},
        {"match": {"prefix": "/", "grpc": {}, "headers": [is_allowed]}, "route": to_spark, "request_headers_to_remove": [VERDICT]},
        # As long as there is no verdict; nothing gets to Spark by these.
        {"match": {"prefix": "/", "grpc": {}, "headers": [{"name": "x-databricks-session-id", "present_match": True}]},
         "route": to_service, "typed_per_filter_config": _per_route(**with_body)},
        {"match": {"prefix": "/", "grpc": {}}, "route": to_service},
        {"match": {"prefix": "/"}, "route": to_service, "request_headers_to_remove": [VERDICT],
         "typed_per_filter_config": _per_route(disabled=True)},
    ]


def _authz(service_port):
    return {"name": "envoy.filters.http.ext_authz", "typed_config": {
        "@type": TYPE + "filters.http.ext_authz.v3.ExtAuthz", "transport_api_version": "V3", "clear_route_cache": True,
        "allowed_headers": {"patterns": [{"safe_regex": {"regex": ".*"}}]},
        "http_service": {
            "server_uri": {"uri": f"http://127.0.0.1:{service_port}", "cluster": "service", "timeout": "60s"},
            "path_prefix": AUTHORIZE,
            "authorization_response": {"allowed_upstream_headers": {"patterns": [{"exact": VERDICT}]}}}}}


def _manager(service_port):
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "codec_type": "AUTO", "stat_prefix": "front", "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH", "stream_idle_timeout": "0s", "request_timeout": "0s",
        "use_remote_address": True, "skip_xff_append": True,
        "http2_protocol_options": {"max_concurrent_streams": 100, "initial_stream_window_size": 1 << 20,
                                   "initial_connection_window_size": 1 << 24},
        "http_filters": [_authz(service_port), {"name": "envoy.filters.http.router", "typed_config": {
            "@type": TYPE + "filters.http.router.v3.Router", "suppress_envoy_headers": True}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": _routes()}]}}}


def _tls(certificate, key):
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": TYPE + "transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [{"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}]}}}


def configuration(port, certificate, key, service_port, upstream_host, upstream_port):
    """As JSON, which Envoy takes too."""
    return json.dumps({"static_resources": {
        "listeners": [{"name": "front", "address": _address("127.0.0.1", port), "filter_chains": [
            {"filters": [_manager(service_port)], "transport_socket": _tls(certificate, key)}]}],
        "clusters": [_cluster("spark", upstream_host, upstream_port, True),
                     _cluster("service", "127.0.0.1", service_port, False)]}}, indent=1)
