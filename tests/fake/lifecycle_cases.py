"""How the daemon starts and ends."""

import os
import signal
import socket
import subprocess
import tempfile
import time

from harness import TOKEN, WAIT_S, Failure, expect, expect_equal
from registry import proxied

UNKNOWN = "/some.other.Service/Method"


def wait_refused(target):
    """Until the listener takes no more connections."""
    host, port = target.rsplit(":", 1)
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except ConnectionError:
            return
    expect(False, "new connections are still taken")


@proxied("end: SIGTERM lets the running call finish and refuses new ones, exit code 0")
def drains(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server)
    client = scene.client(daemon)
    calls = [client.start(UNKNOWN, b"", "messages=5,size=100,delay_ms=150", shape="us"),
             client.start(UNKNOWN, b"", "messages=1,size=100,first_delay_ms=700")]
    for call in calls:
        server.of_case("begin", call.case)
    daemon.signal(signal.SIGTERM)
    wait_refused(daemon.target)
    for call, messages in zip(calls, (5, 1)):
        result = call.finish()
        expect_equal((result.code, len(result["messages"])), ("OK", messages), "a running call")
    expect_equal(daemon.wait_exit(3), 0, "exit code")


@proxied("end: SIGTERM with nothing to wait for ends at once")
def ends_idle(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server)
    client = scene.client(daemon)
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "a call")
    started = time.monotonic()
    daemon.signal(signal.SIGTERM)
    expect_equal(daemon.wait_exit(3), 0, "exit code")
    expect(time.monotonic() - started < 2, "it took its time")


@proxied("end: after drain_timeout what still runs ends UNAVAILABLE")
def drain_timeout(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server, main={"drain_timeout": "400ms"})
    call = scene.client(daemon).start(UNKNOWN, b"", "hang")
    server.of_case("begin", call.case)
    daemon.signal(signal.SIGTERM)
    result = call.finish()
    expect_equal(result.code, "UNAVAILABLE", "status")
    expect(result["seconds"] >= 0.35, f"it was cut after {result['seconds']:.2f} s")
    expect(server.of_case("end", call.case)["cancelled"], "the server was not told")
    expect_equal(daemon.wait_exit(3), 0, "exit code")


@proxied("end: a second SIGTERM ends at once")
def second_term(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server, main={"drain_timeout": "60s"})
    call = scene.client(daemon).start(UNKNOWN, b"", "hang")
    server.of_case("begin", call.case)
    daemon.signal(signal.SIGTERM)
    wait_refused(daemon.target)
    expect(daemon.is_alive(), "the first signal ended it")
    daemon.signal(signal.SIGTERM)
    daemon.wait_exit(1.5)
    expect_equal(call.finish(3).code, "UNAVAILABLE", "status")


@proxied("end: SIGINT is as good as SIGTERM")
def interrupt(scene):
    daemon = scene.daemon(scene.fake(token=TOKEN))
    daemon.signal(signal.SIGINT)
    expect_equal(daemon.wait_exit(3), 0, "exit code")


@proxied("log: neither output nor log has a token in it")
def no_token_in_log(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server, main={"log_level": "debug", "log_calls": "info"})
    client = scene.client(daemon)
    client.call(UNKNOWN, b"x", "echo", metadata=[("authorization", "Bearer clients-own-secret")])
    client.call(UNKNOWN, b"x", "status=13,message=oops", metadata=[("x-profile", "nosuch")])
    daemon.signal(signal.SIGTERM)
    daemon.wait_exit(3)
    said = daemon.log() + "\n".join(daemon.lines)
    expect(TOKEN not in said and "clients-own-secret" not in said, "a token was written")
    expect("Method" in said, "the calls were not logged")


def run_once(scene, text, mode=0o600):
    """Exit code and error output with that config.ini."""
    folder = tempfile.mkdtemp(dir=scene.ring.folder)
    path = os.path.join(folder, "config.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    env = {"HOME": folder, "XDG_RUNTIME_DIR": folder, "XDG_CONFIG_HOME": folder, "PATH": "/usr/bin:/bin"}
    try:
        done = subprocess.run([scene.ring.daemon_path, "run", "--config", path], env=env, capture_output=True,
                              text=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        raise Failure("the daemon runs on") from None
    return done.returncode, done.stderr + done.stdout


@proxied("start: a wrong configuration is told with file and line, exit code 2")
def wrong_configuration(scene):
    profile = "[profile p]\nupstream = sc://127.0.0.1:1\n"
    for text, line, word in (("[sparkbouncer]\nlisten = 127.0.0.1:0\nlissten = x\n" + profile, 3, "lissten"),
                             ("[sparkbouncer]\nlisten = 127.0.0.1:0\ndrain_timeout = soon\n" + profile, 3, "soon"),
                             ("[sparkbouncer]\nlisten = 0.0.0.0:0\n" + profile, 2, "allow_remote")):
        code, said = run_once(scene, text)
        expect_equal(code, 2, f"exit code for {word}")
        expect(f"config.ini:{line}" in said and word in said, f"it says {said!r}")


@proxied("start: a port that is taken is told, exit code 1")
def port_taken(scene):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = run_once(scene, f"[sparkbouncer]\nlisten = 127.0.0.1:{port}\nprofile = p\n"
                                        "[profile p]\nupstream = sc://127.0.0.1:1\n")
    expect_equal(code, 1, "exit code")
    expect(str(port) in said and "ready" not in said, f"it says {said!r}")


@proxied("start: a stale unix socket is replaced, a live one is not")
def stale_socket(scene):
    server = scene.fake(token=TOKEN)
    folder = scene.folder()
    os.chmod(folder, 0o700)
    path = os.path.join(folder, "s")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    daemon = scene.daemon(server, main={"listen": f"unix:{path}"})
    expect_equal(scene.client("unix:" + path).call(UNKNOWN, b"x", "echo").code, "OK", "a call")
    code, said = run_once(scene, f"[sparkbouncer]\nlisten = unix:{path}\nprofile = p\n"
                                    "[profile p]\nupstream = sc://127.0.0.1:1\n")
    expect(code == 1 and path in said, f"a second daemon on it: exit code {code}, {said!r}")
    expect_equal(scene.client("unix:" + path).call(UNKNOWN, b"x", "echo").code, "OK", "a call afterwards")
    daemon.signal(signal.SIGTERM)
    daemon.wait_exit(3)
    expect(not os.path.exists(path), "the socket was left behind")
