"""What a call is turned away with, in each form that a workspace has been seen to use (protocol reference 4.2).

As `http` the answer has the status and the JSON of the REST API, although the request was gRPC; as `grpc` it is a
trailers-only response. Which of both comes is a setting, because it is not known of every case.
"""

import json
import urllib.parse
from dataclasses import dataclass

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE, UNAUTHENTICATED = 3, 5, 7, 14, 16


@dataclass
class Refusal:
    http: int
    grpc: int
    code: str     # error_code of the REST API
    message: str  # {cluster}, {state} are filled in
    form: str     # the usual one: http or grpc
    has_code_in_message: bool = False  # in the grpc form the text begins with the code


REFUSALS = {
    "token-missing": Refusal(401, UNAUTHENTICATED, "401", "Credential was not sent or was of an unsupported type for "
                             "this API.", "http"),
    "token-invalid": Refusal(403, PERMISSION_DENIED, "403", "Invalid access token.", "http"),
    "token-expired": Refusal(403, PERMISSION_DENIED, "403", "Invalid access token. The token is expired.", "http"),
    "management-token-invalid": Refusal(403, PERMISSION_DENIED, "403", "Invalid X-Databricks-Azure-SP-Management-Token.",
                                        "http"),
    "resource-id-missing": Refusal(403, PERMISSION_DENIED, "403", "The service principal is not a user of this workspace, "
                                   "and X-Databricks-Azure-Workspace-Resource-Id does not name it.", "http"),
    "cluster-missing": Refusal(404, UNAVAILABLE, "RESOURCE_DOES_NOT_EXIST", "No cluster found matching: {cluster}",
                               "grpc", True),
    "cluster-not-running": Refusal(503, UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", "The cluster {cluster} is in state {state}. "
                                   "Please retry in 30 seconds.", "http", True),
    "cluster-forbidden": Refusal(403, PERMISSION_DENIED, "PERMISSION_DENIED", "You do not have permission to attach to "
                                 "cluster {cluster}.", "http", True),
    "access-mode": Refusal(400, INVALID_ARGUMENT, "BAD_REQUEST", "Cluster {cluster} is neither shared nor single-user: Spark "
                           "Connect cannot be used on it.", "grpc", True),
    "compute-unclear": Refusal(400, INVALID_ARGUMENT, "BAD_REQUEST", "Exactly one of x-databricks-cluster-id and "
                               "x-databricks-session-id must be sent.", "grpc", True),
    "session-mismatch": Refusal(400, INVALID_ARGUMENT, "BAD_REQUEST", "x-databricks-session-id is not the session id of the "
                                "request.", "grpc", True),
    "workspace-busy": Refusal(503, UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", "The service at this workspace is temporarily "
                              "unavailable.", "http"),
    "throttled": Refusal(429, UNAVAILABLE, "REQUEST_LIMIT_EXCEEDED", "Too many requests.", "http"),
}


def error_body(code, message):
    return json.dumps({"error_code": int(code) if code.isdigit() else code, "message": message}).encode()


def respond(name, form, **words):
    """(status, headers, body) of one refusal."""
    refusal = REFUSALS[name]
    message = refusal.message.format(**words)
    if (form or refusal.form) == "http":
        return refusal.http, {"content-type": "application/json"}, error_body(refusal.code, message)
    if refusal.has_code_in_message:
        message = f"{refusal.code}: {message}"
    return 200, {"content-type": "application/grpc", "grpc-status": str(refusal.grpc),
                 "grpc-message": urllib.parse.quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~")}, b""
