"""Databricks' own Python SDK against the front: what proves that the fake is like the real one.

What it cannot prove here: azure-msi (only the Go SDK has it), google-credentials and google-id (Google's endpoints check
signatures; the fake has none), external-browser (a person).
"""

import base64
import json
import os
import urllib.error
import urllib.request

import world
from harness import Skipped, expect, expect_equal
from programs import TENANT, AzureCli, DatabricksCli
from stage import CLUSTER, HERE, PAT, JsonProcess, case

RESOURCE_ID = "/subscriptions/5ub/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/ws"
CLIENT, SECRET = "service-principal", "dose0123456789abcdef"
AZURE_CLIENT, AZURE_SECRET = "11111111-2222-3333-4444-555555555555", "azure~secret"
ME = ["current_user.me", {}]
CLI_PATH = "/usr/bin:/bin"


class Sdk:
    """One process for all cases: importing the SDK takes longer than most of them.

    In UTC, because the SDK reads the expiry that the CLI gives in UTC as local time: further east, it asks at every call.
    """
    process = None

    def __init__(self, stage):
        if not stage.options.sdk:
            raise Skipped("no databricks-sdk (--sdk)")
        self.stage, self.workspace = stage, stage.workspace
        if Sdk.process is None:
            self.home = stage.make_folder()
            Sdk.process = JsonProcess([stage.options.sdk, os.path.join(HERE, "sdk_worker.py")],
                                      {"HOME": self.home, "PATH": CLI_PATH, "LANG": "C.UTF-8", "TZ": "UTC",
                                       "REQUESTS_CA_BUNDLE": self.workspace.ca}, os.path.join(stage.folder, "sdk.stderr"))
            stage.kept.append(Sdk.process)

    def ask(self, *calls, environ=None, client="", **config):
        config.setdefault("host", self.workspace.host)
        return Sdk.process.ask(environ=environ or {}, config=config, calls=list(calls), client=client)

    def expect_me(self, expected, /, *calls, **config):
        """Logged in that way, and known to the workspace."""
        answer = self.ask(ME, *calls, **config)
        expect_equal(answer.get("auth_type"), expected, f"auth type ({answer.get('message')})")
        expect_equal(answer["results"][0].get("userName"), "someone@example.com", f"who ({answer['results'][0]})")
        return answer

    def expect_error(self, words, **config):
        answer = self.ask(ME, **config)
        message = answer.get("message") or answer["results"][0].get("message", "no error")
        expect(words in message, lambda: f"expected {words!r} in {message!r}")
        return answer


def claims(answer):
    middle = answer["headers"]["Authorization"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


@case("sdk: pat: taken, unknown, revoked, missing")
def pat(stage):
    sdk = Sdk(stage)
    sdk.expect_me("pat", token=PAT, client="pat")
    unknown = sdk.expect_error("Invalid access token", token="dapi-nobody")
    expect_equal(unknown["results"][0]["error"], "PermissionDenied", "error class")
    stage.workspace.revoke(value=PAT)
    gone = sdk.ask(ME, client="pat")
    expect_equal(gone["results"][0]["error"], "PermissionDenied", "a token revoked meanwhile")
    bare = sdk.ask(["api_client.do", {"method": "GET", "path": "/api/2.0/preview/scim/v2/Me"}], token="x", client="bare")
    expect_equal(bare["results"][0]["error"], "PermissionDenied", "an unknown token")


@case("sdk: the host's metadata and the discovery document are read, and do without the first")
def discovery(stage):
    sdk = Sdk(stage)
    sdk.expect_me("oauth-m2m", client_id=CLIENT, client_secret=SECRET)
    counters = stage.workspace.counters()
    for path in ("/.well-known/databricks-config", "/oidc/.well-known/oauth-authorization-server"):
        expect_equal(counters.get(f"http.GET {path}"), 1, path)
    stage.workspace.set(has_metadata=False)
    sdk.expect_me("oauth-m2m", client_id=CLIENT, client_secret=SECRET,
                  discovery_url=f"{stage.workspace.host}/oidc/.well-known/oauth-authorization-server")


@case("sdk: oauth-m2m: one token for many calls, a new one when it has ended")
def m2m(stage):
    sdk, workspace = Sdk(stage), stage.workspace
    answer = sdk.expect_me("oauth-m2m", *[ME] * 10, client_id=CLIENT, client_secret=SECRET, client="m2m")
    expect_equal(workspace.count("mint.oauth-m2m"), 1, "tokens minted")
    expect_equal((claims(answer)["scope"], claims(answer)["sub"]), ("all-apis", CLIENT), "claims")
    workspace.ask("clock", offset=7200)
    stale = sdk.ask(ME, client="m2m")
    expect("expired" in stale["results"][0]["message"], lambda: f"a token that has ended: {stale}")
    workspace.ask("clock", offset=0)
    workspace.set(life=30)  # less than the margin of 40 s: it is never good enough to be kept
    workspace.ask("forget")
    sdk.expect_me("oauth-m2m", ME, ME, client_id=CLIENT, client_secret=SECRET, client="short")
    expect_equal(workspace.count("mint.oauth-m2m"), 4, "tokens minted: three calls and the headers")


@case("sdk: oauth-m2m: a wrong secret, an unknown client, a fault")
def m2m_refused(stage):
    sdk, workspace = Sdk(stage), stage.workspace
    sdk.expect_error("invalid_client: Client authentication failed", client_id=CLIENT, client_secret="wrong")
    sdk.expect_error("invalid_client", client_id="nobody", client_secret=SECRET)
    workspace.fail("mint", status=500, body={"error": "server_error", "error_description": "try later"})
    sdk.expect_error("server_error: try later", client_id=CLIENT, client_secret=SECRET)
    sdk.expect_me("oauth-m2m", client_id=CLIENT, client_secret=SECRET)
    expect_equal(workspace.count("mint."), 1, "tokens minted")


@case("sdk: env-oidc and file-oidc: exchanged, and the file is read again for each token")
def oidc(stage):
    sdk, workspace = Sdk(stage), stage.workspace
    sdk.expect_me("env-oidc", environ={"DATABRICKS_OIDC_TOKEN": workspace.mint("foreign", subject="ci-1")}, auth_type="env-oidc")
    path = os.path.join(stage.make_folder(), "token")
    workspace.set(life=30)
    for subject in ("ci-2", "ci-3"):
        with open(path, "w", encoding="ascii") as file:
            file.write(workspace.mint("foreign", subject=subject) + "\n")
        answer = sdk.expect_me("file-oidc", auth_type="file-oidc", oidc_token_filepath=path, client="file")
        expect_equal(claims(answer)["sub"], subject, "whose token was exchanged")
    requests = workspace.requests("oidc.token-exchange")
    expect(requests and all(r["fields"] == ["grant_type", "scope", "subject_token", "subject_token_type"] for r in requests),
           lambda: f"fields: {requests[0]['fields']}")


@case("sdk: token exchange: workload identity with its client id, a foreign token that is not known")
def exchange(stage):
    sdk, workspace = Sdk(stage), stage.workspace
    workspace.set(needs_client_id=True)
    environ = {"DATABRICKS_OIDC_TOKEN": workspace.mint("foreign", subject="ci")}
    sdk.expect_error("invalid_client", environ=environ, auth_type="env-oidc")
    sdk.expect_me("env-oidc", environ=environ, auth_type="env-oidc", client_id=CLIENT)
    sdk.expect_error("invalid_grant: subject_token is unknown", environ={"DATABRICKS_OIDC_TOKEN": "a.b.c"}, auth_type="env-oidc",
                     client_id=CLIENT)


@case("sdk: github-oidc: a token of the job, exchanged")
def github(stage):
    sdk, workspace = Sdk(stage), stage.workspace
    environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": workspace.github_url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "github-request-token"}
    answer = sdk.expect_me("github-oidc", environ=environ, auth_type="github-oidc", client_id=CLIENT)
    expect(claims(answer)["sub"].startswith("repo:"), "whose token was exchanged")
    asked = workspace.requests("github.token")[0]
    expect_equal((asked["audience"], asked["api"]), (f"{workspace.host}/oidc/v1/token", "2.0"), "what GitHub was asked for")
    environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "wrong"
    sdk.expect_error("cannot configure default credentials", environ=environ, auth_type="github-oidc", client_id=CLIENT)


@case("sdk: metadata-service: its headers, its answer, another host")
def metadata(stage):
    sdk, workspace = Sdk(stage), stage.workspace
    sdk.expect_me("metadata-service", metadata_service_url=workspace.metadata_url)
    asked = workspace.requests("metadata.token")[0]
    expect_equal((asked["host"], asked["version"]), (workspace.host, "1"), "its headers")
    workspace.set(metadata_host="https://another.example")
    sdk.expect_error("empty token", metadata_service_url=workspace.metadata_url)


def write_profile(folder, host, **more):
    path = os.path.join(folder, "databrickscfg")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[dev]\nhost = {host}\n" + "".join(f"{key} = {value}\n" for key, value in more.items()))
    return path


class Cli:
    """The fake `databricks` of one case, its profile [dev], and the environment that leads to both."""

    def __init__(self, stage):
        self.folder = stage.make_folder()
        self.program = DatabricksCli(self.folder, stage.workspace.control_port, os.path.join(self.folder, "runs"))
        self.environ = {"PATH": f"{self.folder}:{CLI_PATH}",
                        "DATABRICKS_CONFIG_FILE": write_profile(self.folder, stage.workspace.host, auth_type="databricks-cli")}

    def commands(self):
        return [run["argv"] for run in self.program.runs()]


@case("sdk: databricks-cli: version, profile and --force-refresh, each form of expiry")
def cli(stage):
    sdk, tool = Sdk(stage), Cli(stage)
    expect(os.path.getsize(tool.program.path) > 1 << 20, "smaller than the real one")
    sdk.expect_me("databricks-cli", ME, environ=tool.environ, profile="dev")
    expect_equal(tool.commands(), [["version", "--output", "json"], ["auth", "token", "--profile", "dev", "--force-refresh"]],
                 "commands")
    for form in ("whole", "nanoseconds"):
        tool.program.set(expiry=form)
        sdk.expect_me("databricks-cli", environ=tool.environ, profile="dev")
    old = Cli(stage)
    old.program.set(version=[0, 218, 0])
    sdk.expect_me("databricks-cli", environ=old.environ, profile="dev")
    expect_equal(old.commands()[-1], ["auth", "token", "--profile", "dev"], "the command for an old one")


@case("sdk: databricks-cli: login lapsed, none at all, a program that crashes or talks nonsense")
def cli_fails(stage):
    sdk = Sdk(stage)
    expected = {"lapsed": "refresh token is invalid. To reauthenticate, run the following command:\n  $ databricks auth login "
                "--profile dev", "none": "cannot configure default credentials", "crash": "panic:", "garbage": "cannot unmarshal",
                "m2m": "uses M2M authentication"}
    for login, words in expected.items():
        tool = Cli(stage)
        tool.program.set(login=login)
        sdk.expect_error(words, environ=tool.environ, profile="dev")
    expect_equal(stage.workspace.count("mint."), 0, "tokens minted")


def azure_config(**more):
    return {"host": f"https://{world.AZURE_HOST}", **more}


@case("sdk: azure-client-secret: tenant found, both tokens, both headers", needs_world=True)
def azure_secret(stage):
    sdk, workspace = Sdk(stage), stage.workspace
    workspace.set(cloud="AZURE", needs_resource_id=True)
    answer = sdk.expect_me("azure-client-secret", **azure_config(azure_client_id=AZURE_CLIENT, azure_client_secret=AZURE_SECRET,
                                                                 azure_workspace_resource_id=RESOURCE_ID))
    expect_equal(sorted(answer["headers"]), ["Authorization", "X-Databricks-Azure-SP-Management-Token",
                                             "X-Databricks-Azure-Workspace-Resource-Id"], "headers")
    asked = workspace.requests("aad.token")
    expect_equal([(r["tenant"], r["resource"]) for r in asked],
                 [(TENANT, "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"), (TENANT, "https://management.core.windows.net/")], "asked for")
    expect_equal(workspace.counters().get("http.GET /aad/auth"), 1, "the tenant was looked up")
    sdk.expect_error("invalid_client: AADSTS7000215", **azure_config(azure_client_id=AZURE_CLIENT, azure_client_secret="wrong"))
    sdk.expect_error("AADSTS90002", **azure_config(azure_client_id=AZURE_CLIENT, azure_client_secret=AZURE_SECRET, azure_tenant_id="t"))


@case("sdk: azure-cli: a person, a service principal, a subscription that is refused, no login", needs_world=True)
def azure_cli(stage):
    sdk, workspace, folder = Sdk(stage), stage.workspace, stage.make_folder()
    az = AzureCli(folder, workspace.control_port, os.path.join(folder, "runs"))
    config = azure_config(auth_type="azure-cli", environ={"PATH": f"{folder}:{CLI_PATH}"})
    answer = sdk.expect_me("azure-cli", **config)
    expect_equal(sorted(answer["headers"]), ["Authorization"], "a person's headers")
    az.set(identity="service-principal", is_old=True)
    answer = sdk.expect_me("azure-cli", **config)
    expect_equal(sorted(answer["headers"]), ["Authorization", "X-Databricks-Azure-SP-Management-Token"], "an app's headers")
    az.set(subscription="another", identity="managed-identity")
    sdk.expect_me("azure-cli", azure_workspace_resource_id=RESOURCE_ID, **config)
    commands = [" ".join(run["argv"]) for run in az.runs()]
    expect(any("--subscription 5ub" in command for command in commands), lambda: f"commands: {commands}")
    expect("--tenant" not in commands[-1], "a managed identity was asked with a tenant")
    az.set(login="none")
    sdk.expect_error("cannot configure default credentials", **config)


@case("sdk: a workspace by its real name on port 443", needs_world=True)
def real_name(stage):
    Sdk(stage).expect_me("pat", host=world.AWS_HOST, token=PAT)


@case("sdk: clusters: known, unknown, not to be seen")
def clusters(stage):
    sdk, workspace = Sdk(stage), stage.workspace
    workspace.cluster("c-hidden", may_see=False)
    get = [["clusters.get", {"cluster_id": id}] for id in (CLUSTER, "c-none", "c-hidden")]
    known, unknown, hidden = sdk.ask(*get, token=PAT)["results"]
    expect_equal((known["state"], known["cluster_id"]), ("RUNNING", CLUSTER), "known")
    expect_equal((unknown["error"], unknown["message"]), ("ResourceDoesNotExist", "Cluster c-none does not exist"), "unknown")
    expect_equal(hidden["error"], "PermissionDenied", "hidden")


@case("sdk: clusters: started once, waited for, or failing")
def starting(stage):
    sdk, workspace = Sdk(stage), stage.workspace
    workspace.cluster("c-off", state="TERMINATED", start_seconds=0.5)
    answer = sdk.ask(["clusters.ensure_cluster_is_running", {"cluster_id": "c-off"}],
                     ["clusters.get", {"cluster_id": "c-off"}], token=PAT)
    expect_equal((answer["results"][0], answer["results"][1]["state"]), (None, "RUNNING"), "started")
    workspace.cluster("c-slow", state="TERMINATED", start_seconds=None)
    start = ["api_client.do", {"method": "POST", "path": "/api/2.1/clusters/start", "body": {"cluster_id": "c-slow"}}]
    first, second = sdk.ask(start, start, token=PAT)["results"]
    expect_equal(first, {}, "the first start")
    expect("is in unexpected state Pending" in second["message"], lambda: f"the second start: {second}")
    expect_equal(workspace.cluster("c-slow")["starts"], 1, "starts")
    workspace.cluster("c-broken", state="TERMINATED", start_seconds=0, start_fails="CLOUD_PROVIDER_LAUNCH_FAILURE")
    broken = sdk.ask(["clusters.start_and_wait", {"cluster_id": "c-broken"}], token=PAT)["results"][0]
    expect("CLOUD_PROVIDER_LAUNCH_FAILURE" in broken["message"], lambda: f"a start that fails: {broken}")


@case("front: a managed identity's tokens, as Azure's machines give them (no SDK in Python asks for them)")
def managed_identity(stage):
    base = f"http://{world.METADATA_ADDRESS}" if world.is_inside() else stage.workspace.metadata_url.rpartition("/metadata-")[0]
    url = f"{base}/metadata/identity/oauth2/token?api-version=2018-02-01&resource="

    def ask(resource, **headers):
        with urllib.request.urlopen(urllib.request.Request(url + resource, headers=headers), timeout=5) as response:
            return json.loads(response.read())

    answer = ask("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", Metadata="true")
    expect(answer["token_type"] == "Bearer" and int(answer["expires_on"]) > 0 and isinstance(answer["expires_on"], str), "answer")
    for resource, headers in (("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", {}), ("something", {"Metadata": "true"})):
        try:
            ask(resource, **headers)
        except urllib.error.HTTPError as error:
            expect_equal(error.code, 400, "status")
            error.close()
        else:
            expect(False, "it was answered")
