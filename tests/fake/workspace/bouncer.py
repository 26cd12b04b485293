"""The daemon under test, logged in to the fake workspace in every way at once."""

import contextlib
import os
import struct
import subprocess
import threading
import time

import world
from harness import SPARK, Client, Daemon, Failure, Skipped, expect
from programs import AzureCli, DatabricksCli, Vault
from stage import CLUSTER, PAT
from wire import field

SESSION = "5e551000-0000-4000-8000-{:012x}"
OPERATION = "0be7a000-0000-4000-8000-{:012x}"
CLIENT, SECRET = "service-principal", "dose0123456789abcdef"
AZURE_CLIENT, AZURE_SECRET = "11111111-2222-3333-4444-555555555555", "azure~secret"
AZURE_RESOURCE = "/subscriptions/5ub/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/ws"
GITHUB_TOKEN = "github-request-token"
CALL_LIMIT_S = 20
# Kinds of token that the front gives out, by profile.
KINDS = {"m2m": "oauth-m2m", "cli": "u2m", "env-oidc": "token-exchange", "file-oidc": "token-exchange", "github": "token-exchange",
         "metadata": "metadata-service", "exec": "pat", "azure-secret": "entra", "azure-cli": "entra", "azure-msi": "entra"}


class Bouncer:
    """One daemon with a profile for each way to log in, or for those named and `pat`. Cases change it before start()."""

    def __init__(self, stage, *names):
        self.stage, self.workspace = stage, stage.workspace
        self.folder = stage.make_folder()
        workspace, control = stage.workspace, stage.workspace.control_port
        record = os.path.join(self.folder, "runs-{}").format
        self.cli = DatabricksCli(self.folder, control, record("databricks"))
        self.az = AzureCli(self.folder, control, record("az"))
        self.vault = Vault(self.folder, control, record("vault"))
        workspace.set(lives={"foreign": 3600.0})
        self.token_file, self.oidc_file = os.path.join(self.folder, "token"), os.path.join(self.folder, "oidc-token")
        self.write(self.token_file, PAT)
        self.write(self.oidc_file, workspace.mint("foreign", subject="file"))
        self.environ = {"PATH": f"{self.folder}:/usr/bin:/bin", "SCENARIO_OIDC_TOKEN": workspace.mint("foreign", subject="environment"),
                        "ACTIONS_ID_TOKEN_REQUEST_URL": workspace.github_url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": GITHUB_TOKEN}
        self.main = {"listen": "127.0.0.1:0", "profile": "pat", "log_level": "debug", "log_calls": "debug",
                     "control_socket": os.path.join(self.folder, "control"),
                     "databricks_config_file": self.write_databrickscfg()}
        self.profiles = {name: keys for name, keys in self._profiles().items() if not names or name in (*names, "pat")}
        self.daemon = None

    def _profiles(self):
        profiles = {
            "pat": {"token": PAT},
            "pat-file": {"token_file": self.token_file},
            "m2m": {"auth_type": "oauth-m2m", "client_id": CLIENT, "client_secret": SECRET},
            "cli": {"databricks_cli_path": self.cli.path},
            "env-oidc": {"auth_type": "env-oidc", "oidc_token_env": "SCENARIO_OIDC_TOKEN"},
            "file-oidc": {"auth_type": "file-oidc", "oidc_token_filepath": self.oidc_file},
            "github": {"auth_type": "github-oidc", "client_id": CLIENT},
            "metadata": {"auth_type": "metadata-service", "metadata_service_url": self.workspace.metadata_url},
            "exec": {"exec": self.vault.path},
        }
        if world.is_inside():
            azure = {"host": f"https://{world.AZURE_HOST}", "azure_workspace_resource_id": AZURE_RESOURCE}
            profiles["azure-secret"] = {**azure, "auth_type": "azure-client-secret", "azure_client_id": AZURE_CLIENT,
                                        "azure_client_secret": AZURE_SECRET}
            profiles["azure-cli"] = {**azure, "auth_type": "azure-cli"}
            profiles["azure-msi"] = {**azure, "auth_type": "azure-msi", "azure_use_msi": "yes"}
        for keys in profiles.values():
            self.at_workspace(keys)
        return profiles

    def write_databrickscfg(self):
        """What a person has from `databricks auth login`: the CLI is asked for a profile that it knows itself."""
        path = os.path.join(self.folder, "databrickscfg")
        self.write(path, f"[cli]\nhost = {self.workspace.host}\nauth_type = databricks-cli")
        return path

    def at_workspace(self, keys):
        for key, value in {"host": self.workspace.host, "cluster_id": CLUSTER, "ca_file": self.workspace.ca}.items():
            keys.setdefault(key, value)
        return keys

    @staticmethod
    def write(path, text):
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.chmod(path + ".new", 0o600)
        os.replace(path + ".new", path)

    def sections(self):
        return {"sparkbouncer": self.main, **{f"profile {name}": keys for name, keys in self.profiles.items()}}

    def start(self):
        self.daemon = self.stage.keep(Daemon(self.stage.options.daemon, self.folder, self.sections(), environ=self.environ))
        return self

    def rewrite(self):
        self.daemon.write_config(self.sections())

    def client(self, profile):
        return self.stage.keep(Client(self.daemon.target, metadata=[("x-profile", profile)]))

    def run(self, *command):
        """A command of the daemon's own program: what it says on both outputs."""
        done = subprocess.run([self.stage.options.daemon, *command, "--config", self.daemon.config], capture_output=True, text=True,
                              timeout=30, check=False, env={"PATH": "/usr/bin:/bin", "HOME": self.folder,
                                                            "XDG_RUNTIME_DIR": self.folder, "XDG_CONFIG_HOME": self.folder})
        return done.stdout + done.stderr


class SleepClock:
    """The machine's sleep, as the daemon sees it (sleep_clock.c) and the workspace too."""

    def __init__(self, stage, bouncer):
        library = os.path.join(stage.options.build, "tests", "fake", "sleep-clock.so")
        if not os.path.exists(library):
            raise Skipped("sleep-clock.so is not built")
        with open(stage.options.daemon, "rb") as file:
            if b"__asan_init" in file.read():
                raise Skipped("AddressSanitizer lets nothing be loaded before it")
        self.workspace = stage.workspace
        self.path = os.path.join(bouncer.folder, "slept")
        self.sleep(0)
        bouncer.environ.update({"LD_PRELOAD": library, "SLEEP_CLOCK_FILE": self.path})

    def sleep(self, seconds):
        """Both are `seconds` later than they would be. The file is written in place: it is mapped."""
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as file:
            file.write(struct.pack("=q", int(seconds * 1e9)))
        self.workspace.ask("clock", offset=seconds)


def request(session=1, user="someone"):
    return field(1, SESSION.format(session)) + field(2, field(1, user))


def config_call(client, session=1, **keywords):
    return client.start(SPARK + "Config", request(session), limit=CALL_LIMIT_S, **keywords)


def plan(session, operation):
    return request(session) + field(5, field(1, field(1, 1))) + field(6, OPERATION.format(operation))


def execute(client, session, operation, messages=5, delay_ms=0):
    return client.start(SPARK + "ExecutePlan", plan(session, operation), f"messages={messages},size=2000,delay_ms={delay_ms}",
                        shape="us", limit=60)


def release(client, session, operation, until=None):
    what = field(6, field(1, until)) if until else field(5, b"")
    return client.start(SPARK + "ReleaseExecute", request(session) + field(3, OPERATION.format(operation)) + what, limit=CALL_LIMIT_S)


class Loop:
    """A client that calls on and on, as a notebook would; every answer that is not OK is kept."""

    def __init__(self, client, number, pause=0.05):
        self.client, self.number, self.pause = client, number, pause
        self.calls, self.failed = 0, []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        operation = self.number << 20
        while not self.ended.is_set():
            operation += 1
            for start in (lambda: config_call(self.client, self.number), lambda: execute(self.client, self.number, operation),
                          lambda: release(self.client, self.number, operation)):
                try:
                    result = start().finish()
                    if result.code != "OK":
                        self.failed.append(f"{result.code}: {result.details}")
                except Failure as failure:
                    self.failed.append(str(failure))
                self.calls += 1
            self.ended.wait(self.pause)

    def stop(self):
        self.ended.set()
        self.thread.join(CALL_LIMIT_S)
        return self.failed

    close = stop  # at the latest when the case ends, before its client


def ask_until(client, is_it, what, limit=20):
    """Calls until the answer is the awaited one; the last answer."""
    end = time.monotonic() + limit
    while True:
        result = config_call(client).finish()
        if is_it(result):
            return result
        expect(time.monotonic() < end, lambda: f"waited for {what}: {result.code} {result.details}")
        time.sleep(0.05)


def children(pid):
    """Process ids below `pid`, as far as they still live."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    return found
