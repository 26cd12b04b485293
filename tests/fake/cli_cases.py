"""The commands for people: exec, env, profiles, doctor."""

import http.server
import json
import os
import socketserver
import subprocess
import sys
import threading

import metadata_cases
import tls_cases
from harness import TOKEN, Client, expect, expect_equal
from registry import proxied

MARKED = "dapi-marked-4c1f"
LIMIT_S = 25
# What a program sees, and all that could have been seen of it and its ancestors.
LOOK = ("import json, os; p = os.getpid()\n"
        "print(json.dumps({'environment': dict(os.environ), 'cmdline': open('/proc/self/cmdline').read()}))")


class Person:
    """A home with its configuration, a project in it, and the commands that are typed there."""

    def __init__(self, scene, sections, env_file=""):
        self.binary = scene.ring.daemon_path
        self.home = scene.folder()
        self.project = os.path.join(self.home, "project")
        os.makedirs(os.path.join(self.home, "sparkbouncer"))
        os.mkdir(self.project)
        self.write("sparkbouncer/config.ini", "".join(
            f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for section, keys in sections.items()))
        self.write("project/.env", env_file)
        self.environment = {"HOME": self.home, "XDG_RUNTIME_DIR": self.home, "XDG_CONFIG_HOME": self.home,
                            "XDG_STATE_HOME": self.home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        for name, value in os.environ.items():
            if name.endswith("SAN_OPTIONS"):
                self.environment[name] = value
        scene._keep(self)

    def write(self, name, text):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)

    def start(self, *words, **variables):
        return subprocess.Popen([self.binary, *words], env={**self.environment, **variables}, cwd=self.project,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words, code=0, **variables):
        """Standard output and standard error."""
        process = self.start(*words, **variables)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
        expect_equal(process.returncode, code, f"{words}: exit code, after {out!r} {err!r}")
        return out, err

    def look(self, *words, **variables):
        out, _ = self.run("exec", *words, "--", sys.executable, "-c", LOOK, **variables)
        return json.loads(out)

    def status(self):
        return json.loads(self.run("status", "--json")[0])

    def close(self):
        subprocess.run([self.binary, "stop"], env=self.environment, capture_output=True, timeout=LIMIT_S)

    kill = close


def lab(server, **main):
    """Settings with one profile, to the fake server."""
    return {"sparkbouncer": {"listen": "127.0.0.1:0", "profile": "lab", **main},
            "profile lab": {"upstream": f"sc://{server.address}/;token={TOKEN};use_ssl=false"}}


@proxied("exec: starts a daemon, once; the program gets its port, and no secrets of .env")
def exec_starts(scene):
    person = Person(scene, lab(scene.fake(token=TOKEN)),
                    f"export DATABRICKS_PROFILE='lab'\nDATABRICKS_TOKEN={MARKED}\nMLFLOW_TRACKING_URI=databricks\n")
    seen = person.look(MASTER="local", SPARK_LOCAL_REMOTE="1", NO_PROXY="corp")
    status = person.status()
    environment = seen["environment"]
    expect_equal(environment["SPARK_REMOTE"], status["listeners"][0] + "/;x-profile=lab", "SPARK_REMOTE")
    expect_equal(environment["no_proxy"], "corp,localhost,127.0.0.1", "no_proxy")
    expect_equal(environment["MLFLOW_TRACKING_URI"], "databricks", "a variable of .env")
    expect("MASTER" not in environment and "SPARK_LOCAL_REMOTE" not in environment, "traces of another Spark are left")
    expect(MARKED not in json.dumps(seen), "the program was given the token")
    with open(f"/proc/{status['pid']}/cmdline", encoding="utf-8") as file:
        expect(MARKED not in file.read(), "the token is among the daemon's arguments")
    person.look()
    expect_equal(person.status()["pid"], status["pid"], "the daemon of the second exec")


@proxied("exec: the program's exit code, signals and output are its own")
def exec_is_the_program(scene):
    person = Person(scene, lab(scene.fake(token=TOKEN)))
    person.run("exec", "--local", "--", "sh", "-c", "exit 7", code=7)
    _, said = person.run("exec", "--local", "--", "no-such-program", code=127)
    expect("cannot run no-such-program" in said, said)
    person.run("exec", "--local", "--", "true")
    person.run("status", code=1)  # --local has started nothing


@proxied("exec: several at once start one daemon")
def exec_together(scene):
    person = Person(scene, lab(scene.fake(token=TOKEN)))
    processes = [person.start("exec", "--", "sh", "-c", "echo $SPARK_REMOTE") for _ in range(4)]
    answers = [process.communicate(timeout=LIMIT_S) for process in processes]
    expect_equal(len({out for out, _ in answers}), 1, f"daemons, {answers}")
    expect_equal(sum("started a daemon" in err for _, err in answers), 1, f"starts, {answers}")
    expect(answers[0][0].startswith("sc://localhost:"), answers[0])


@proxied("exec: a daemon that cannot start is explained")
def exec_explains(scene):
    server = scene.fake(token=TOKEN)
    person = Person(scene, lab(server, listen=f"127.0.0.1:{server.address.rsplit(':', 1)[1]}"))
    _, said = person.run("exec", "--", "true", code=1)
    expect("the daemon does not start: cannot listen on" in said and "is taken by fake-server" in said, said)


@proxied("exec: what is wrong with the project is said, and the program does not run")
def exec_refuses(scene):
    person = Person(scene, lab(scene.fake(token=TOKEN)))
    for words, sentence, code in ((("-p", "nope"), "has no profile nope; it has: lab", 2),
                                  (("--env-file", "nowhere"), "nowhere: there is no such file", 2)):
        out, said = person.run("exec", *words, "--", "echo", "ran", code=code)
        expect(sentence in said and out == "", f"{words}: {out!r} {said!r}")


@proxied("env: what bash makes of it is what exec sets")
def env_is_exec(scene):
    person = Person(scene, lab(scene.fake(token=TOKEN)), "DATABRICKS_HOST=\"it's $odd\"\nDATABRICKS_PROFILE=lab\n")
    of_exec = person.look()["environment"]
    words, _ = person.run("env", MASTER="x")
    expect("unset MASTER" in words, words)
    bash = subprocess.run(["bash", "-c", words + f"\nexec {sys.executable} -c \"$LOOK\""], capture_output=True,
                          env={**person.environment, "LOOK": LOOK}, text=True, timeout=LIMIT_S)
    of_env = json.loads(bash.stdout)["environment"]
    for name in ("SPARK_REMOTE", "no_proxy", "NO_PROXY", "DATABRICKS_HOST", "DATABRICKS_PROFILE"):
        expect_equal(of_env.get(name), of_exec[name], name)
    expect_equal(of_env["DATABRICKS_HOST"], "it's $odd", "an odd value")


class ControlStub(socketserver.ThreadingUnixStreamServer):
    """A daemon's control socket that takes guests."""

    daemon_threads = True

    def __init__(self, path):
        self.bodies = []
        answers = {"/ready": (200, {"ready": True}), "/profiles": (201, {"profile": "guest-1"}),
                   "/status": (200, {"listeners": ["sc://localhost:4711"], "profiles": []})}

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(handler):
                length = int(handler.headers.get("Content-Length", 0))
                if length:
                    self.bodies.append(json.loads(handler.rfile.read(length)))
                status, document = answers.get(handler.path, (404, {}))
                handler.send_response(status)
                handler.end_headers()
                handler.wfile.write(json.dumps(document).encode())

            do_GET = do_POST = answer

            def address_string(self):
                return "unix"

            def log_message(self, *_):
                pass

        super().__init__(path, Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    kill = close


@proxied("exec: a host and a token without a profile go through the control socket alone")
def exec_guest(scene):
    person = Person(scene, lab(scene.fake(token=TOKEN)),
                    f"DATABRICKS_HOST=dbc.example\nDATABRICKS_TOKEN='{MARKED}\"\\u'\nSPARK_CONNECT_CLUSTER_ID=c-1\n")
    path = os.path.join(person.home, "stub.sock")
    stub = ControlStub(path)
    scene._keep(stub)
    seen = person.look("--control-socket", path)
    expect_equal(stub.bodies, [{"host": "https://dbc.example", "token": MARKED + "\"\\u", "cluster_id": "c-1",
                                "serverless": False}], "what the daemon was given")
    expect_equal(seen["environment"]["SPARK_REMOTE"], "sc://localhost:4711/;x-profile=guest-1", "SPARK_REMOTE")
    expect_equal(seen["environment"]["SPARKBOUNCER_CONTROL_SOCKET"], path, "where the program finds the daemon")
    expect(MARKED not in json.dumps(seen), "the program was given the token")


@proxied("exec: with the metadata service on, the program's other tools log in by the daemon; to other servers they do not")
def exec_login(scene):
    sections = lab(scene.fake(token=TOKEN), metadata_service="127.0.0.1:0")
    sections["profile my ws"] = {"host": "https://127.0.0.1:1", "token": MARKED}
    person = Person(scene, sections)
    expect("DATABRICKS_AUTH_TYPE" not in person.look()["environment"], "a login for a server that is no workspace")
    seen = person.look("-p", "my ws", DATABRICKS_AUTH_TYPE="pat")["environment"]
    service = person.status()["metadata_service"]
    expect_equal({name: seen.get(name) for name in ("DATABRICKS_AUTH_TYPE", "DATABRICKS_METADATA_SERVICE_URL", "DATABRICKS_HOST")},
                 {"DATABRICKS_AUTH_TYPE": "metadata-service", "DATABRICKS_METADATA_SERVICE_URL": service + "/my%20ws",
                  "DATABRICKS_HOST": "https://127.0.0.1:1"}, "variables of the metadata service")
    code, answer = metadata_cases.ask(seen["DATABRICKS_METADATA_SERVICE_URL"], X_Databricks_Host=seen["DATABRICKS_HOST"])
    expect_equal((code, answer.get("access_token")), (200, MARKED), "what is there")
    expect("DATABRICKS_AUTH_TYPE" not in person.look("--local")["environment"], "a login for local Spark")


@proxied("exec: Databricks' own tools are told of a profile only where they know it")
def exec_names_profile(scene):
    sections = lab(scene.fake(token=TOKEN))
    for name in ("ours", "both"):
        sections[f"profile {name}"] = {"host": "https://127.0.0.1:1", "token": MARKED}
    person = Person(scene, sections)
    person.write(".databrickscfg", "[both]\nhost = https://127.0.0.1:1\n")
    for words, variables, expected in ((("-p", "both"), {}, ("both", "both")), (("-p", "ours"), {}, (None, "ours")),
                                       ((), {"DATABRICKS_CONFIG_PROFILE": "ours"}, (None, "ours")),
                                       (("-p", "ours"), {"DATABRICKS_CONFIG_PROFILE": "both"}, (None, "ours"))):
        seen = person.look(*words, **variables)["environment"]
        expect_equal((seen.get("DATABRICKS_CONFIG_PROFILE"), seen.get("DATABRICKS_PROFILE")), expected, f"{words} {variables}")
        expect(seen["SPARK_REMOTE"].endswith("x-profile=" + expected[1]), seen["SPARK_REMOTE"])


@proxied("exec: a host that is no workspace becomes an upstream")
def exec_guest_elsewhere(scene):
    server = scene.fake(token=MARKED)
    person = Person(scene, lab(server), f"DATABRICKS_HOST=sc://{server.address}/\nDATABRICKS_TOKEN={MARKED}\n")
    remote = person.look()["environment"]["SPARK_REMOTE"]
    address, _, name = remote.removeprefix("sc://").partition("/;x-profile=")
    client = Client(address, metadata=[("x-profile", name)])
    scene._keep(client)
    expect_equal(client.start("/spark.connect.SparkConnectService/Config", b"").finish().code, "OK", "a call by the guest")


@proxied("profiles: from the settings without a daemon, from the daemon when there is one")
def profiles(scene):
    person = Person(scene, lab(scene.fake(token=TOKEN)))
    out, _ = person.run("profiles")
    expect(out.startswith("No daemon runs") and "lab*  127.0.0.1" in out, out)
    document = json.loads(person.run("profiles", "--json")[0])
    expect_equal((document["source"], document["profiles"][0]["name"]), ("settings", "lab"), "without a daemon")
    person.look()
    document = json.loads(person.run("profiles", "--json")[0])
    expect_equal((document["source"], document["profiles"][0]["name"]), ("daemon", "lab"), "with one")
    expect(TOKEN not in json.dumps(document), "the token is shown")


def findings(person, code, *words, **variables):
    document = json.loads(person.run("doctor", "--json", *words, code=code, **variables)[0])
    expect_equal(document["ok"], code == 0, "ok")
    expect(TOKEN not in json.dumps(document), "the token is shown")
    return {finding["subject"]: finding for finding in document["findings"]}


@proxied("doctor: all is well, with a daemon that runs and with one of its own, which it leaves nothing of")
def doctor_well(scene):
    person = Person(scene, lab(scene.fake(token=TOKEN)))
    for state in ("warning", "ok"):
        found = findings(person, 0)
        expect_equal(found["daemon"]["level"], state, "daemon")
        for subject in ("daemon call", "direct call", "tcp", "dns", "proxy"):
            expect_equal(found[subject]["level"], "ok", f"{subject}, {found[subject]}")
        if state == "warning":
            person.run("status", code=1)
            person.look()


@proxied("doctor: names what is wrong")
def doctor_ill(scene):
    server = scene.fake(token="another")
    person = Person(scene, lab(server))
    found = findings(person, 1)
    expect("token is not accepted" in found["daemon call"]["sentence"], found["daemon call"])
    found = findings(person, 1, http_proxy="http://127.0.0.1:9")
    expect_equal(found["proxy"]["level"], "failed", "a proxy that catches localhost")
    found = findings(person, 1, SPARK_REMOTE=f"sc://elsewhere/;token={TOKEN}")
    expect_equal(found["variables"]["level"], "warning", "a SPARK_REMOTE past the daemon")
    person.write("sparkbouncer/config.ini", "[sparkbouncer]\nlisten = 127.0.0.1:0\nprofile = lab\n[profile lab]\n"
                                            "upstream = sc://127.0.0.1:1\n")
    os.chmod(os.path.join(person.home, "sparkbouncer/config.ini"), 0o666)
    found = findings(person, 1)
    expect_equal((found["tcp"]["level"], found["files"]["level"]), ("failed", "failed"), "port and mode")
    expect("daemon call" not in found, "a call that cannot work was tried")


@proxied("doctor: TLS: a chain that is trusted, one that is not, a server without HTTP/2, a port in the clear")
def doctor_tls(scene):
    made = tls_cases.certificates(scene)
    with_tls = scene.fake("--tls", *made.good, token=TOKEN)
    expired = scene.fake("--tls", *made.expired, token=TOKEN)
    in_clear = scene.fake(token=TOKEN)
    without_alpn = tls_cases.serve_tls_without_alpn(scene, made.good)
    person = Person(scene, {"sparkbouncer": {"listen": "127.0.0.1:0"}, **{
        f"profile {name}": {"upstream": tls_cases.url("localhost", port), "connect_timeout": "2s", **keys}
        for name, port, keys in (("good", with_tls.port, {"ca_file": made.authority}),
                                 ("stranger", with_tls.port, {"ca_file": made.stranger}),
                                 ("expired", expired.port, {"ca_file": made.authority}),
                                 ("http1", without_alpn, {"ca_file": made.authority}),
                                 ("clear", in_clear.port, {"ca_file": made.authority}))}})
    person.run("exec", "-p", "good", "--", "true")
    found = findings(person, 0, "-p", "good")
    expect_equal([found[subject]["level"] for subject in ("tls", "alpn", "daemon call", "direct call")], ["ok"] * 4,
                 f"the good one, {found}")
    for name, subject, words in (("stranger", "tls", "not trusted"), ("expired", "tls", "expired"),
                                 ("http1", "tls", "TLS"), ("clear", "tls", "")):
        found = findings(person, 1, "-p", name)
        if name == "http1" and found["tls"]["level"] == "ok":  # a server may also go on without one
            subject, words = "alpn", "HTTP/2"
        expect_equal(found[subject]["level"], "failed", f"{name}, {found}")
        expect(words in found[subject]["sentence"], f"{name}: {found[subject]}")
