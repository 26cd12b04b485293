"""The workspace: settings, counters, faults, and the verdict on each call. Any thread; no HTTP here."""

import collections
import threading
import time

import tokens as kinds
from clusters import RUNNING_STATES, Clusters
from tokens import Clock, Tokens

REQUESTS_KEPT = 2000
SETTINGS = {
    "life": 3600.0,               # seconds that minted tokens live
    "lives": {},                  # the same by kind
    "forms": {},                  # refusal: "http" or "grpc", in place of the usual one
    "delays": {},                 # seconds before an answer, by place: mint, rest, call, github, aad, metadata
    "date_offset": 0.0,           # seconds added to the Date header
    "clients": {"service-principal": "dose0123456789abcdef"},  # client id: secret, at /oidc/v1/token
    "azure_clients": {"11111111-2222-3333-4444-555555555555": "azure~secret"},
    "tenant": "99999999-8888-7777-6666-555555555555",
    "resource_id": "/subscriptions/5ub/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/ws",
    "needs_resource_id": False,   # tokens of Azure's service principals count only with the two headers
    "needs_client_id": False,     # token exchange: workload identity federation, not account-wide
    "cloud": "AWS",
    "has_metadata": True,         # /.well-known/databricks-config is there
    "github_token": "github-request-token",
    "metadata_host": "",          # the only X-Databricks-Host that the metadata service knows; "": any
    "org_id": "1234567890123456",
    "user": "someone@example.com",
}


class Fault:
    """`drop`: no answer. On the front's own port Envoy makes a 503 of that; on the local one the connection ends."""

    def __init__(self, place, times=1, status=500, body=None, refusal=None, form=None, drop=False):
        self.place, self.times, self.status, self.refusal, self.form, self.drop = place, times, status, refusal, form, drop
        self.body = {"error_code": "INTERNAL_ERROR", "message": "a fault that the test asked for"} if body is None else body


class Workspace:
    def __init__(self):
        self.clock = Clock()
        self.tokens = Tokens(self.clock)
        self.clusters = Clusters(self.clock)
        self.lock = threading.Lock()
        self.settings = dict(SETTINGS)
        self.faults = []
        self.counters = collections.Counter()
        self.requests = collections.deque(maxlen=REQUESTS_KEPT)

    def set(self, **values):
        with self.lock:
            for name, value in values.items():
                if name not in SETTINGS:
                    raise ValueError(f"there is no setting {name}")
                merges = isinstance(SETTINGS[name], dict) and value
                self.settings[name] = {**self.settings[name], **value} if merges else value

    def __getitem__(self, name):
        with self.lock:
            return self.settings[name]

    def life(self, kind):
        return self["lives"].get(kind, self["life"])

    def count(self, name, **facts):
        """`facts` are kept for the test to read: names and fingerprints, never a secret."""
        with self.lock:
            self.counters[name] += 1
            if facts:
                self.requests.append({"at": round(time.time(), 3), "what": name, **facts})

    def add_fault(self, **facts):
        with self.lock:
            self.faults.append(Fault(**facts))

    def take_fault(self, place):
        """The fault that is next at this place, one time less from now on; None: all is well."""
        with self.lock:
            for fault in self.faults:
                if fault.place == place and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def wait(self, place):
        time.sleep(self["delays"].get(place, 0))

    def mint(self, kind, subject, **claims):
        token = self.tokens.mint(kind, subject, self.life(kind), **claims)
        self.count(f"mint.{kind}", subject=subject, token=token.print)
        return token

    # --- who may call -------------------------------------------------------------------------------------------

    def judge_token(self, headers):
        """None, or the name of a refusal."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value:
            return "token-missing"
        worth = (kinds.PAT, kinds.SERVICE_PRINCIPAL, kinds.FEDERATED, kinds.PERSON, kinds.ENTRA, kinds.METADATA)
        token, problem = self.tokens.find(value, *worth)
        if problem:
            return "token-expired" if problem == "expired" else "token-invalid"
        return self._judge_azure(token, headers) if token.kind == kinds.ENTRA else None

    def _judge_azure(self, token, headers):
        """A service principal that the workspace does not know must show what it may do in Azure."""
        management = headers.get("x-databricks-azure-sp-management-token")
        if management and self.tokens.find(management, kinds.MANAGEMENT)[1]:
            return "management-token-invalid"
        if not self["needs_resource_id"] or "@" in token.subject:
            return None
        if not management:
            return "management-token-invalid"
        is_named = headers.get("x-databricks-azure-workspace-resource-id") == self["resource_id"]
        return None if is_named else "resource-id-missing"

    def judge_compute(self, headers, session_of_body):
        """None, or the name of a refusal and its words."""
        cluster_id, session_id = headers.get("x-databricks-cluster-id"), headers.get("x-databricks-session-id")
        if bool(cluster_id) == bool(session_id):
            return "compute-unclear", {}
        if session_id:
            return None if session_of_body in (None, session_id) else ("session-mismatch", {})
        cluster = self.clusters.find(cluster_id)
        words = {"cluster": cluster_id, "state": cluster.state if cluster else ""}
        if cluster is None:
            return "cluster-missing", words
        if not cluster.may_attach or not cluster.may_see:
            return "cluster-forbidden", words
        if cluster.access_mode == "NONE":
            return "access-mode", words
        return None if cluster.state in RUNNING_STATES else ("cluster-not-running", words)

    def judge_call(self, path, headers, session_of_body):
        """(name of a refusal or None, form or None, words)."""
        self.wait("call")
        fault = self.take_fault("call")
        problem = self.judge_token(headers)
        if fault:
            verdict = fault.refusal or "workspace-busy", fault.form, {"cluster": headers.get("x-databricks-cluster-id", "")}
        elif problem:
            verdict = problem, None, {}
        else:
            name, words = self.judge_compute(headers, session_of_body) or (None, {})
            verdict = name, None, words
        name, form, words = verdict
        bearer = headers.get("authorization", "").partition(" ")[2]
        self.count("call.refused." + name if name else "call.allowed", path=path, token=kinds.fingerprint(bearer),
                   cluster=headers.get("x-databricks-cluster-id"), session=headers.get("x-databricks-session-id"),
                   management="x-databricks-azure-sp-management-token" in headers,
                   resource_id=headers.get("x-databricks-azure-workspace-resource-id"))
        return name, form or self["forms"].get(name), words
