"""Spark sessions through a running sparkbouncer, for copying into a project. Needs PySpark and nothing else.

    from spark_utils import get_spark_session
    spark = get_spark_session()                  # what SPARK_REMOTE, DATABRICKS_PROFILE, ... say; local Spark
                                                 # with USE_SPARK_CONNECT=false
    prod = get_spark_session(profile="prod")     # beside it, in the same process

Profiles are named in the URL; tokens never are: an explicit host and token go to the daemon through its control
socket, which answers its own user alone, and are forgotten there some time after the last call.

Everything that is wrong with the configuration, a daemon that does not run included, is a ValueError that says what
to do, so that a caller can fall back to local Spark:

    try:
        spark = get_spark_session()
    except ValueError as error:
        print(error)
        spark = get_spark_session(force_local=True)
"""

import atexit
import configparser
import hashlib
import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
from urllib.parse import quote

__all__ = ["get_spark_session", "init_spark_connect"]

TIMEOUT_S = 10
START_TIMEOUT_S = 40
# With these PySpark would not reach the daemon as it should: a token makes it start TLS, the others are traces of
# another Spark, or an error beside a remote one.
BYPASSES = ("SPARK_CONNECT_AUTHENTICATE_TOKEN", "SPARK_LOCAL_REMOTE", "SPARK_LOCAL_CONNECT_REUSE", "MASTER")

_lock = threading.RLock()
_sessions = {}  # by URL
_own_remote = None  # the SPARK_REMOTE that was set here
_guests = {}  # URLs of guest profiles by what they were made of, the token as a digest


def get_spark_session(profile=None, force_local=False):
    """The session of `profile`, of what the environment says, or local Spark."""
    if force_local or (profile is None and not _uses_connect()):
        return _local_session()
    return init_spark_connect(profile=profile)


def init_spark_connect(cluster_id=None, profile=None, databricks_host=None, databricks_token=None):
    """A session on a remote cluster; each configuration has one, which later calls get again.

    `databricks_host` and `databricks_token`, given together, take the place of a profile. What is not given comes
    from SPARK_REMOTE (`sparkbouncer exec` sets it), else from DATABRICKS_CONFIG_PROFILE or DATABRICKS_PROFILE, else
    from DATABRICKS_HOST and DATABRICKS_TOKEN, else it is the daemon's default profile. The cluster is
    SPARK_CONNECT_CLUSTER_ID, else the profile's own.
    """
    if bool(databricks_host) != bool(databricks_token):
        given, missing = ("host", "token") if databricks_host else ("token", "host")
        raise ValueError(f"databricks_{given} is given without databricks_{missing}; a token belongs to its host")
    if databricks_host and profile:
        raise ValueError("give a profile, or a host and a token, not both")
    with _lock:
        explicit = cluster_id or profile or databricks_host
        return _session(_choose_url(cluster_id, profile, databricks_host, databricks_token), may_adopt=not explicit)


def _choose_url(cluster_id, profile, host, token):
    environment = os.environ.get
    remote = environment("SPARK_REMOTE", "")
    if not (cluster_id or profile or host) and remote.startswith("sc://") and remote != _own_remote:
        return remote
    cluster_id = cluster_id or environment("SPARK_CONNECT_CLUSTER_ID") or environment("DATABRICKS_CLUSTER_ID")
    if not (profile or host):
        profile = environment("DATABRICKS_CONFIG_PROFILE") or environment("DATABRICKS_PROFILE")
        if not profile and environment("DATABRICKS_HOST") and environment("DATABRICKS_TOKEN"):
            host, token = environment("DATABRICKS_HOST"), environment("DATABRICKS_TOKEN")
    status = _daemon_status()
    url = _address(status) + "/"
    if host:
        return _guest_url(url, host, token, cluster_id)
    _check_profile(status, profile)
    if profile:
        url += ";x-profile=" + quote(profile, safe="")
    if cluster_id:
        url += ";x-databricks-cluster-id=" + quote(cluster_id, safe="")
    return url


# ---- the daemon


def _control_socket():
    """The path, found as the daemon finds it."""
    if os.environ.get("SPARKBOUNCER_CONTROL_SOCKET"):
        return os.path.expanduser(os.environ["SPARKBOUNCER_CONTROL_SOCKET"])
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for path in (os.path.join(home, "sparkbouncer", "config.ini"), "/etc/sparkbouncer/config.ini"):
        if os.path.exists(path):
            config = configparser.ConfigParser(interpolation=None, strict=False)
            try:
                config.read(path, encoding="utf-8")
            except (configparser.Error, UnicodeDecodeError):
                break  # the daemon itself has a sentence for that
            if config.get("sparkbouncer", "control_socket", fallback=None):
                return os.path.expanduser(config.get("sparkbouncer", "control_socket"))
            break
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        folder = os.path.join(runtime, "sparkbouncer")
    else:
        folder = "/run/sparkbouncer" if os.geteuid() == 0 else f"/tmp/sparkbouncer-{os.geteuid()}"
    return os.path.join(folder, "control.sock")


class _Control(http.client.HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
        if hasattr(socket, "SO_PEERCRED"):  # whoever listens there gets a token
            found = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            uid = struct.unpack("3i", found)[1]
            if uid not in (os.geteuid(), 0):
                self.close()
                raise ValueError(f"{self.path} belongs to another user's daemon (uid {uid})")


def _ask(method, target, document=None):
    """Status and document of the answer. ConnectionError or FileNotFoundError: no daemon runs."""
    control = _Control(_control_socket())
    try:
        body = None if document is None else json.dumps(document)
        headers = {} if body is None else {"Content-Type": "application/json"}
        control.request(method, target, body, headers)
        answer = control.getresponse()
        return answer.status, json.loads(answer.read().decode("utf-8", "replace"))
    except (http.client.HTTPException, json.JSONDecodeError) as error:
        raise ValueError(f"what listens on {control.path} does not answer like a sparkbouncer") from error
    except (PermissionError, socket.timeout) as error:
        raise ValueError(f"the daemon on {control.path} does not answer: {error}") from error
    finally:
        control.close()


def _start_daemon():
    """By the command that starts one in the background when none runs; what it runs itself does nothing."""
    command = shutil.which("sparkbouncer")
    if not command:
        return ""
    try:
        said = subprocess.run([command, "exec", "--env-file", os.devnull, "--", "true"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=START_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return said.stderr.strip().splitlines()[-1] if said.returncode and said.stderr.strip() else ""


def _daemon_status():
    said = ""
    for attempt in range(2):
        try:
            status, document = _ask("GET", "/status")
        except (ConnectionError, FileNotFoundError):
            said = said or (_start_daemon() if attempt == 0 else "")
            continue
        if status == 200:
            return document
        raise ValueError(f"the daemon on {_control_socket()} answers {status}: {document.get('error', '')}")
    why = f" ({said})" if said else ""
    raise ValueError(f"no daemon runs on {_control_socket()}; start it with: sparkbouncer run{why}")


def _address(status):
    """Where clients connect; TCP before an abstract socket, which the stock client reaches too."""
    addresses = [text for text in status.get("listeners", []) if text.startswith("sc://")]
    for address in sorted(addresses, key=lambda text: text.startswith("sc://unix-abstract:")):
        return address
    raise ValueError("the daemon has no address that PySpark can reach; add 127.0.0.1:15002 to listen")


def _check_profile(status, name):
    profiles = status.get("profiles", [])
    for profile in profiles:
        if profile.get("name") == name if name else profile.get("is_default"):
            if profile.get("problem"):
                raise ValueError(profile["problem"])
            return
    names = ", ".join(profile.get("name", "?") for profile in profiles if not profile.get("is_guest"))
    if name:
        raise ValueError(f"the daemon has no profile {name}; it has: {names}")
    raise ValueError(f"no profile is named, and the daemon has no default one; name one of: {names}")


def _guest_url(url, host, token, cluster_id):
    """With a profile that the daemon makes for this client; it is made again when its session has ended."""
    key = (url, host, hashlib.sha256(token.encode()).hexdigest(), cluster_id)
    if key not in _guests or not _is_alive(_guests[key]):
        serverless = bool(os.environ.get("DATABRICKS_SERVERLESS_COMPUTE_ID")) and not cluster_id
        status, answer = _ask("POST", "/profiles", {
            "host": host if "://" in host else "https://" + host,
            "token": token, "cluster_id": cluster_id, "serverless": serverless})
        if status != 201:
            problems = answer.get("problems") or [answer.get("error", f"it answers {status}")]
            raise ValueError(f"the daemon does not take host and token: {problems[0]}")
        _guests[key] = url + ";x-profile=" + quote(answer["profile"], safe="")
    return _guests[key]


# ---- sessions


def _uses_connect():
    text = os.environ.get("USE_SPARK_CONNECT", "").lower()
    if text in ("", "true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"USE_SPARK_CONNECT={text}: write true or false")


def _except_this_machine():
    """gRPC sends calls to localhost to a proxy too, unless told otherwise."""
    lists = {name: os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy")}
    lists["no_proxy"] = lists["no_proxy"] or lists["NO_PROXY"]
    lists["NO_PROXY"] = lists["NO_PROXY"] or lists["no_proxy"]
    for name, text in lists.items():
        hosts = [host for host in text.replace(" ", ",").split(",") if host]
        if name == "no_grpc_proxy" and not hosts or "*" in hosts:
            continue
        os.environ[name] = ",".join(hosts + [host for host in ("localhost", "127.0.0.1") if host not in hosts])


def _is_stopped(session):
    return bool(getattr(session, "is_stopped", False))


def _is_alive(url):
    return url in _sessions and not _is_stopped(_sessions[url])


@atexit.register
def _close_all():
    """While Python still runs: PySpark's own closing of a session in a module that is torn down can hang for ever.
    Its clients have registered later than this, so they have released their sessions before."""
    for session in list(_sessions.values()):
        client = getattr(session, "client", None)
        if client is not None and not _is_stopped(session):
            client.close()


def _has_local_session():
    try:
        from pyspark import SparkContext
    except ImportError:  # pyspark-client
        return False
    return SparkContext._active_spark_context is not None


def _session(url, may_adopt=False):
    from pyspark.sql import SparkSession

    global _own_remote
    if _is_alive(url):
        return _sessions[url]
    if _has_local_session():
        raise ValueError("this process has a local Spark session already; PySpark takes only one kind in a process")
    if may_adopt:
        existing = SparkSession.getActiveSession()
        if existing is not None and existing not in _sessions.values():
            return existing
    for name in BYPASSES:
        os.environ.pop(name, None)
    _except_this_machine()
    # Not getOrCreate(), which would give the session of another profile.
    _sessions[url] = SparkSession.builder.remote(url).create()
    if not os.environ.get("SPARK_REMOTE"):  # for SparkSession.builder.getOrCreate() elsewhere in the program
        os.environ["SPARK_REMOTE"] = _own_remote = url
    return _sessions[url]


def _local_session():
    from pyspark.sql import SparkSession

    with _lock:
        if any(map(_is_alive, _sessions)):
            raise ValueError("this process has a remote Spark session already; PySpark takes only one kind in a process")
        for name in BYPASSES[:-1] + ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED"):
            os.environ.pop(name, None)
        builder = SparkSession.builder
        if not os.environ.get("MASTER"):
            builder = builder.master("local[*]")
        return builder.getOrCreate()
