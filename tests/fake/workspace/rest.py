"""The requests that are not gRPC: logins, discovery, REST. Each handler takes a Request and returns an Answer."""

import base64
import hmac
import json
import urllib.parse
from dataclasses import dataclass, field

import tokens as kinds
from refusals import error_body, respond
from tokens import fingerprint
from workspace import Workspace

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
DATABRICKS_APPLICATION = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
MANAGEMENT_RESOURCES = ("https://management.core.windows.net/", "https://management.azure.com/")


@dataclass
class Request:
    workspace: Workspace
    method: str
    host: str
    path: str
    query: dict
    headers: dict
    body: bytes
    base: str  # https://host as the client wrote it

    @property
    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass
class Answer:
    status: int
    body: bytes = b""
    headers: dict = field(default_factory=lambda: {"content-type": "application/json"})


def answer_json(value, status=200, **headers):
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/json", **headers})


def oauth_error(status, code, description):
    return answer_json({"error": code, "error_description": description}, status)


def api_error(status, code, message):
    return Answer(status, error_body(code, message))


def token_answer(token, workspace, **more):
    return answer_json({"access_token": token.value, "token_type": "Bearer", "expires_in": int(workspace.life(token.kind)),
                        **more}, **{"cache-control": "no-store"})


# --- Databricks' own logins --------------------------------------------------------------------------------------

def databricks_config(request):
    workspace = request.workspace
    if not workspace["has_metadata"]:
        return api_error(404, "ENDPOINT_NOT_FOUND", "No API found for 'GET /.well-known/databricks-config'")
    return answer_json({"oidc_endpoint": f"{request.base}/oidc", "account_id": "acc0acc0-0000-4000-8000-000000000000",
                        "workspace_id": workspace["org_id"], "cloud": workspace["cloud"]})


def authorization_server(request):
    oidc = f"{request.base}/oidc"
    return answer_json({"issuer": oidc, "authorization_endpoint": f"{oidc}/v1/authorize",
                        "token_endpoint": f"{oidc}/v1/token", "jwks_uri": f"{oidc}/jwks.json",
                        "scopes_supported": ["all-apis", "offline_access", "openid"],
                        "grant_types_supported": ["client_credentials", EXCHANGE, "authorization_code", "refresh_token"]})


def _basic(headers):
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        name, _, secret = base64.b64decode(text).decode().partition(":")
    except ValueError:
        return None, None
    return urllib.parse.unquote(name), urllib.parse.unquote(secret)


def _is_secret(known, client_id, secret):
    return client_id in known and hmac.compare_digest(known[client_id].encode(), (secret or "").encode())


def _client_credentials(request, form):
    client_id, secret = _basic(request.headers)
    if client_id is None:
        client_id, secret = form.get("client_id"), form.get("client_secret")
    if not _is_secret(request.workspace["clients"], client_id, secret):
        return oauth_error(401, "invalid_client", "Client authentication failed")
    if not form.get("scope"):
        return oauth_error(400, "invalid_scope", "scope is missing")
    token = request.workspace.mint(kinds.SERVICE_PRINCIPAL, client_id, scope=form["scope"])
    return token_answer(token, request.workspace, scope=form["scope"])


def _token_exchange(request, form):
    workspace = request.workspace
    if form.get("subject_token_type") != JWT_TYPE or "authorization" in request.headers:
        return oauth_error(400, "invalid_request", "subject_token_type must be jwt, and no Basic authentication")
    if workspace["needs_client_id"] and form.get("client_id") not in workspace["clients"]:
        return oauth_error(401, "invalid_client", "client_id is not a service principal with a federation policy")
    foreign, problem = workspace.tokens.find(form.get("subject_token", ""), kinds.FOREIGN)
    if problem:
        return oauth_error(400, "invalid_grant", f"subject_token is {problem}")
    token = workspace.mint(kinds.FEDERATED, foreign.subject, scope=form.get("scope", ""))
    return token_answer(token, workspace, scope=form.get("scope", ""), issued_token_type=JWT_TYPE)


def oidc_token(request):
    form = request.form
    grant = form.get("grant_type")
    request.workspace.count(f"oidc.{'token-exchange' if grant == EXCHANGE else grant}", fields=sorted(form),
                            scope=form.get("scope"), client_id=form.get("client_id") or _basic(request.headers)[0],
                            subject=fingerprint(form["subject_token"]) if "subject_token" in form else None)
    if grant == "client_credentials":
        return _client_credentials(request, form)
    if grant == EXCHANGE:
        return _token_exchange(request, form)
    return oauth_error(400, "unsupported_grant_type", f"grant_type {grant} is not supported")


# --- Azure -------------------------------------------------------------------------------------------------------

def tenant_redirect(request):
    tenant = request.workspace["tenant"]
    location = f"https://login.microsoftonline.com/{tenant}/oauth2/authorize?client_id={DATABRICKS_APPLICATION}&response_type=code"
    return Answer(302, b"", {"location": location, "content-type": "text/html"})


def _kind_of_resource(resource):
    if resource == DATABRICKS_APPLICATION:
        return kinds.ENTRA
    return kinds.MANAGEMENT if resource in MANAGEMENT_RESOURCES else None


def _entra_answer(request, kind, subject, resource, as_text):
    workspace = request.workspace
    token = workspace.mint(kind, subject, appid=subject, aud=resource, tid=workspace["tenant"])
    life = int(workspace.life(kind))
    numbers = {"expires_in": life, "ext_expires_in": life, "expires_on": int(token.expires), "not_before": int(token.expires) - life}
    return answer_json({"token_type": "Bearer", **{name: str(n) if as_text else n for name, n in numbers.items()},
                        "resource": resource, "access_token": token.value})


def entra_token(request):
    """login.microsoftonline.com/TENANT/oauth2/token"""
    form, workspace = request.form, request.workspace
    tenant, client_id, resource = request.path.split("/")[1], form.get("client_id"), form.get("resource")
    workspace.count("aad.token", tenant=tenant, client_id=client_id, resource=resource, fields=sorted(form))
    if tenant != workspace["tenant"]:
        return oauth_error(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
    if not _is_secret(workspace["azure_clients"], client_id, form.get("client_secret")):
        return oauth_error(401, "invalid_client", f"AADSTS7000215: Invalid client secret provided for app '{client_id}'.")
    kind = _kind_of_resource(resource)
    if form.get("grant_type") != "client_credentials" or kind is None:
        return oauth_error(400, "invalid_resource", f"AADSTS500011: The resource principal named {resource} was not found.")
    return _entra_answer(request, kind, client_id, resource, as_text=True)


def managed_identity(request):
    """169.254.169.254/metadata/identity/oauth2/token"""
    workspace, resource = request.workspace, request.query.get("resource")
    workspace.count("msi.token", resource=resource, client_id=request.query.get("client_id"),
                    version=request.query.get("api-version"), has_metadata=request.headers.get("metadata") == "true")
    if request.headers.get("metadata", "").lower() != "true" or "x-forwarded-for" in request.headers:
        return oauth_error(400, "invalid_request", "Required metadata header not specified")
    if request.query.get("api-version") != "2018-02-01":
        return oauth_error(400, "invalid_request", "api-version is not supported")
    kind = _kind_of_resource(resource)
    if kind is None:
        return oauth_error(400, "invalid_resource", f"AADSTS500011: The resource principal named {resource} was not found.")
    return _entra_answer(request, kind, request.query.get("client_id", "managed-identity"), resource, as_text=True)


# --- others ------------------------------------------------------------------------------------------------------

def github_token(request):
    workspace = request.workspace
    workspace.count("github.token", audience=request.query.get("audience"), api=request.query.get("api-version"))
    if request.headers.get("authorization") != f"Bearer {workspace['github_token']}":
        return answer_json({"message": "Bad credentials"}, 401)
    token = workspace.mint(kinds.FOREIGN, "repo:octo/repo:ref:refs/heads/main", aud=request.query.get("audience"))
    return answer_json({"count": len(token.value), "value": token.value})


def metadata_service(request):
    """The dialect that Databricks' SDKs call metadata-service, as Visual Studio Code serves it."""
    workspace, host = request.workspace, request.headers.get("x-databricks-host")
    workspace.count("metadata.token", host=host, version=request.headers.get("x-databricks-metadata-version"))
    if request.headers.get("x-databricks-metadata-version") != "1":
        return answer_json({"message": "unknown version"}, 400)
    if workspace["metadata_host"] and host != workspace["metadata_host"]:
        return answer_json({"message": f"no credentials for {host}"}, 404)
    token = workspace.mint(kinds.METADATA, workspace["user"])
    return answer_json({"access_token": token.value, "token_type": "Bearer", "expires_on": int(token.expires)})


# --- the REST API ------------------------------------------------------------------------------------------------

def authenticated(handler):
    def wrapped(request):
        problem = request.workspace.judge_token(request.headers)
        request.workspace.count(f"rest.{request.path}", refused=problem)
        if problem:
            return Answer(*_reordered(respond(problem, "http")))
        return handler(request)
    return wrapped


def _reordered(response):
    status, headers, body = response
    return status, body, headers


@authenticated
def me(request):
    workspace = request.workspace
    return answer_json({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "42", "active": True,
                        "userName": workspace["user"], "displayName": "Some One",
                        "emails": [{"type": "work", "value": workspace["user"], "primary": True}]},
                       **{"x-databricks-org-id": workspace["org_id"]})


@authenticated
def clusters_get(request):
    id = request.query.get("cluster_id", "")
    cluster = request.workspace.clusters.find(id)
    if cluster is None:
        return api_error(400, "INVALID_PARAMETER_VALUE", f"Cluster {id} does not exist")
    if not cluster.may_see:
        return api_error(403, "PERMISSION_DENIED", f"{request.workspace['user']} does not have View permissions on {id}. "
                         "Please contact the owner or an administrator for access.")
    return answer_json(cluster.describe())


@authenticated
def clusters_start(request):
    try:
        id = json.loads(request.body)["cluster_id"]
    except (ValueError, KeyError, TypeError):
        return api_error(400, "MALFORMED_REQUEST", "Could not parse request object: cluster_id is missing")
    problem = request.workspace.clusters.start(id)
    return api_error(*problem) if problem else answer_json({})


# (method, path or with * the end of it, place of faults and delays, handler)
FRONT_ROUTES = [
    ("GET", "/.well-known/databricks-config", "discovery", databricks_config),
    ("GET", "/oidc/.well-known/oauth-authorization-server", "discovery", authorization_server),
    ("POST", "/oidc/v1/token", "mint", oidc_token),
    ("GET", "/aad/auth", "discovery", tenant_redirect),
    ("POST", "*/oauth2/token", "aad", entra_token),
    ("GET", "/github/token", "github", github_token),
    ("GET", "/api/2.0/preview/scim/v2/Me", "rest", me),
    ("GET", "/api/2.1/clusters/get", "rest", clusters_get),
    ("POST", "/api/2.1/clusters/start", "rest", clusters_start),
]
# In the clear, on this machine: not the workspace's.
LOCAL_ROUTES = [
    ("GET", "/metadata/identity/oauth2/token", "aad", managed_identity),
    ("GET", "/metadata-service/secret-path", "metadata", metadata_service),
]


def handle(request, routes):
    """An Answer, or None: the connection is to be dropped."""
    request.workspace.count(f"http.{request.method} {request.path}")
    for method, path, place, handler in routes:
        if request.path == path or (path[0] == "*" and request.path.endswith(path[1:])):
            if request.method != method:
                return api_error(405, "METHOD_NOT_ALLOWED", f"{request.method} is not allowed here")
            request.workspace.wait(place)
            fault = request.workspace.take_fault(place)
            if fault is None:
                return handler(request)
            request.workspace.count(f"fault.{place}")
            return None if fault.drop else answer_json(fault.body, fault.status)
    return api_error(404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.method} {request.path}'")
