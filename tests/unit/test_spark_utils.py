"""config/spark_utils.py against a control socket and a PySpark of our own: what it asks, and which URLs it makes."""

import http.server
import importlib.util
import json
import os
import socketserver
import sys
import tempfile
import threading
import types
import unittest
from pathlib import Path
from unittest import mock

HELPER = Path(__file__).resolve().parents[2] / "config" / "spark_utils.py"
STATUS = {
    "listeners": ["unix:/x", "sc://unix-abstract:15003", "sc://localhost:4711"],
    "profiles": [{"name": "dev", "is_default": True, "problem": None}, {"name": "my prod", "is_default": False},
                 {"name": "bad", "problem": "profile bad has no host"}],
}


class FakeSession:
    def __init__(self, url):
        self.url = url
        self.is_stopped = False
        self.n_closed = 0
        self.client = self

    def close(self):
        self.n_closed += 1


class FakePySpark:
    """As much of the two modules as the helper uses."""

    def __init__(self):
        self.active = None
        self.context = types.SimpleNamespace(_active_spark_context=None)

        class Builder:
            def __init__(self):
                self.url = "local"

            def remote(self, url):
                self.url = url
                return self

            def master(self, master):
                self.url = master
                return self

            create = getOrCreate = lambda builder: FakeSession(builder.url)

        session = types.SimpleNamespace(getActiveSession=lambda: self.active, builder=Builder())
        self.modules = {"pyspark": types.SimpleNamespace(SparkContext=self.context),
                        "pyspark.sql": types.SimpleNamespace(SparkSession=session)}


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None))
        status, document = self.server.answers[self.path]
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Stub(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path):
        super().__init__(path, Handler)
        self.asked = []
        self.answers = {"/status": (200, STATUS), "/profiles": (201, {"profile": "guest-1"})}
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "control.sock")
        self.stub = Stub(self.path)
        self.addCleanup(self.stub.server_close)
        self.addCleanup(self.stub.shutdown)
        self.pyspark = FakePySpark()
        for patch in (mock.patch.dict(sys.modules, self.pyspark.modules),
                      mock.patch.dict(os.environ, {"SPARKBOUNCER_CONTROL_SOCKET": self.path, "PATH": "/nowhere"},
                                      clear=True)):
            patch.start()
            self.addCleanup(patch.stop)
        spec = importlib.util.spec_from_file_location("spark_utils", HELPER)
        self.helper = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.helper)

    def url(self, *arguments, **keywords):
        return self.helper.init_spark_connect(*arguments, **keywords).url

    def assert_value_error(self, text, function, *arguments, **keywords):
        with self.assertRaises(ValueError) as caught:
            function(*arguments, **keywords)
        self.assertIn(text, str(caught.exception))


class Choosing(Case):
    def test_default(self):
        self.assertEqual(self.helper.get_spark_session().url, "sc://localhost:4711/")

    def test_profile_and_cluster_are_parameters(self):
        self.assertEqual(self.url("0712-1", "my prod"),
                         "sc://localhost:4711/;x-profile=my%20prod;x-databricks-cluster-id=0712-1")

    def test_environment(self):
        os.environ.update(DATABRICKS_PROFILE="dev", SPARK_CONNECT_CLUSTER_ID="c")
        self.assertEqual(self.helper.get_spark_session().url,
                         "sc://localhost:4711/;x-profile=dev;x-databricks-cluster-id=c")

    def test_spark_remote_of_exec_counts_where_nothing_is_said(self):
        os.environ.update(SPARK_REMOTE="sc://localhost:1/;x-profile=guest-9", DATABRICKS_PROFILE="dev")
        self.assertEqual(self.url(), "sc://localhost:1/;x-profile=guest-9")
        self.assertEqual(self.url(profile="my prod"), "sc://localhost:4711/;x-profile=my%20prod")
        self.assertEqual([path for _, path, _ in self.stub.asked], ["/status"])

    def test_abstract_address_when_there_is_no_other(self):
        self.stub.answers["/status"] = (200, dict(STATUS, listeners=["sc://unix-abstract:15003"]))
        self.assertEqual(self.url(), "sc://unix-abstract:15003/")


class Guests(Case):
    def test_host_and_token_go_to_the_daemon_alone(self):
        url = self.url("c", databricks_host="dbc.example", databricks_token="dapi-marked")
        self.assertEqual(url, "sc://localhost:4711/;x-profile=guest-1")
        self.assertEqual(self.stub.asked[-1], ("POST", "/profiles", {
            "host": "https://dbc.example", "token": "dapi-marked", "cluster_id": "c", "serverless": False}))
        kept = repr((self.helper._guests, list(self.helper._sessions), dict(os.environ)))
        self.assertNotIn("dapi-marked", kept)

    def test_from_the_environment(self):
        os.environ.update(DATABRICKS_HOST="https://h", DATABRICKS_TOKEN="t", DATABRICKS_SERVERLESS_COMPUTE_ID="auto")
        self.assertEqual(self.url(), "sc://localhost:4711/;x-profile=guest-1")
        self.assertEqual(self.stub.asked[-1][2],
                         {"host": "https://h", "token": "t", "cluster_id": None, "serverless": True})

    def test_one_guest_a_session(self):
        def make(token="t"):
            return self.helper.init_spark_connect(databricks_host="sc://h", databricks_token=token)

        first = make()
        self.assertIs(make(), first)
        first.is_stopped = True
        self.stub.answers["/profiles"] = (201, {"profile": "guest-2"})
        self.assertTrue(make().url.endswith("guest-2"))
        self.stub.answers["/profiles"] = (201, {"profile": "guest-3"})
        self.assertTrue(make("other").url.endswith("guest-3"))
        self.assertEqual(sum(path == "/profiles" for _, path, _ in self.stub.asked), 3)

    def test_refused(self):
        self.stub.answers["/profiles"] = (400, {"error": "host is no address"})
        self.assert_value_error("host is no address", self.url, databricks_host="?", databricks_token="t")

    def test_both_or_none(self):
        self.assert_value_error("without databricks_token", self.url, databricks_host="h")
        self.assert_value_error("without databricks_host", self.url, databricks_token="t")
        self.assert_value_error("not both", self.url, profile="dev", databricks_host="h", databricks_token="t")
        self.assertEqual(self.stub.asked, [])


class Sessions(Case):
    def test_several_profiles_at_once_each_with_one_session(self):
        dev, prod = self.helper.get_spark_session("dev"), self.helper.get_spark_session(profile="my prod")
        self.assertIsNot(dev, prod)
        self.assertIs(self.helper.get_spark_session("dev"), dev)
        self.assertIs(self.helper.get_spark_session("my prod"), prod)

    def test_a_stopped_one_is_made_again(self):
        dev = self.helper.get_spark_session("dev")
        dev.is_stopped = True
        self.assertIsNot(self.helper.get_spark_session("dev"), dev)

    def test_the_program_s_own_session_is_used_where_nothing_is_said(self):
        self.pyspark.active = FakeSession("sc://its-own")
        self.assertIs(self.helper.get_spark_session(), self.pyspark.active)
        self.assertEqual(self.helper.get_spark_session("dev").url, "sc://localhost:4711/;x-profile=dev")

    def test_another_profile_s_session_is_not(self):
        self.pyspark.active = self.helper.get_spark_session("my prod")
        self.assertEqual(self.helper.get_spark_session().url, "sc://localhost:4711/")

    def test_closed_when_python_ends(self):
        dev, prod = self.helper.get_spark_session("dev"), self.helper.get_spark_session("my prod")
        prod.is_stopped = True
        self.helper._close_all()
        self.assertEqual((dev.n_closed, prod.n_closed), (1, 0))

    def test_the_first_one_is_what_others_find(self):
        self.helper.get_spark_session("my prod")
        self.assertEqual(os.environ["SPARK_REMOTE"], "sc://localhost:4711/;x-profile=my%20prod")
        self.assertEqual(self.helper.get_spark_session().url, "sc://localhost:4711/")

    def test_environment_is_made_fit(self):
        os.environ.update(MASTER="local", SPARK_CONNECT_AUTHENTICATE_TOKEN="t", NO_PROXY="corp")
        self.url()
        self.assertNotIn("MASTER", os.environ)
        self.assertNotIn("SPARK_CONNECT_AUTHENTICATE_TOKEN", os.environ)
        self.assertEqual(os.environ["no_proxy"], "corp,localhost,127.0.0.1")
        self.assertEqual(os.environ["NO_PROXY"], "corp,localhost,127.0.0.1")
        self.assertNotIn("no_grpc_proxy", os.environ)

    def test_local(self):
        os.environ["SPARK_REMOTE"] = "sc://localhost:1"
        self.assertEqual(self.helper.get_spark_session(force_local=True).url, "local[*]")
        self.assertNotIn("SPARK_REMOTE", os.environ)
        os.environ["USE_SPARK_CONNECT"] = "False"
        self.assertEqual(self.helper.get_spark_session().url, "local[*]")
        self.assertEqual(self.stub.asked, [])

    def test_one_kind_a_process(self):
        self.helper.get_spark_session("dev")
        self.assert_value_error("only one kind", self.helper.get_spark_session, force_local=True)
        self.pyspark.context._active_spark_context = object()
        self.assert_value_error("only one kind", self.helper.get_spark_session, "my prod")


class Complaints(Case):
    def test_unknown_profile(self):
        self.assert_value_error("has no profile nope; it has: dev, my prod, bad", self.url, profile="nope")

    def test_unusable_profile(self):
        self.assert_value_error("profile bad has no host", self.url, profile="bad")

    def test_no_default(self):
        self.stub.answers["/status"] = (200, dict(STATUS, profiles=[{"name": "dev"}]))
        self.assert_value_error("name one of: dev", self.url)

    def test_no_daemon(self):
        os.environ["SPARKBOUNCER_CONTROL_SOCKET"] = self.path + "-not"
        self.assert_value_error("start it with: sparkbouncer run", self.url)

    def test_no_address(self):
        self.stub.answers["/status"] = (200, dict(STATUS, listeners=["unix:/x"]))
        self.assert_value_error("no address that PySpark can reach", self.url)

    def test_use_spark_connect(self):
        os.environ["USE_SPARK_CONNECT"] = "perhaps"
        self.assert_value_error("write true or false", self.helper.get_spark_session)

    def test_a_refusal_is_told(self):
        self.stub.answers["/status"] = (403, {"error": "not you"})
        self.assert_value_error("answers 403: not you", self.url)

    def test_another_user_s_socket_gets_no_token(self):
        with mock.patch.object(self.helper.struct, "unpack", return_value=(1, 54321, 1)):
            self.assert_value_error("another user's daemon (uid 54321)", self.url, databricks_host="h",
                                    databricks_token="t")
        self.assertEqual(self.stub.asked, [])


class ControlSocket(Case):
    def setUp(self):
        super().setUp()
        del os.environ["SPARKBOUNCER_CONTROL_SOCKET"]

    def test_from_the_runtime_folder(self):
        os.environ.update(XDG_RUNTIME_DIR="/run/user/1", XDG_CONFIG_HOME="/nowhere")
        self.assertEqual(self.helper._control_socket(), "/run/user/1/sparkbouncer/control.sock")

    def test_from_the_configuration(self):
        home = os.path.dirname(self.path)
        os.environ.update(XDG_CONFIG_HOME=home, HOME="/home/x")
        os.mkdir(os.path.join(home, "sparkbouncer"))
        with open(os.path.join(home, "sparkbouncer", "config.ini"), "w", encoding="utf-8") as file:
            file.write("[sparkbouncer]\nlisten = :0\ncontrol_socket = ~/c.sock\n[profile a]\ntoken = %x\n")
        self.assertEqual(self.helper._control_socket(), "/home/x/c.sock")


if __name__ == "__main__":
    unittest.main()
