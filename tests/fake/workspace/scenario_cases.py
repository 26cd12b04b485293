"""What a person with any login must never notice, and what they are told when they must."""

import json
import os
import subprocess
import sys
import threading
import time

import world
from bouncer import (AZURE_RESOURCE, AZURE_SECRET, KINDS, SECRET, Bouncer, Loop, SleepClock, ask_until, children, config_call, execute, plan,
                     release, request)
from harness import SPARK, Skipped, expect, expect_equal
from stage import PAT, case
from wire import field, text

HOUR = 3600


def expect_ok(result, what):
    expect_equal((result.code, result.details), ("OK", ""), what)


def expect_words(result, code, *words):
    expect_equal(result.code, code, f"status ({result.details})")
    for word in words:
        expect(word in result.details, lambda: f"{word!r} is not in: {result.details}")


def in_parallel(n, function):
    """Results of function(0…n-1), all started together."""
    results, gate = [None] * n, threading.Barrier(n)

    def body(i):
        gate.wait(20)
        results[i] = function(i)

    threads = [threading.Thread(target=body, args=(i,), daemon=True) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    return results


# --- (a) ---------------------------------------------------------------------------------------------------------

@case("lives of seconds: queries by every way to log in, and not one call fails", limit=400)
def every_login(stage):
    workspace, seconds = stage.workspace, stage.options.seconds
    bouncer = Bouncer(stage)
    workspace.set(life=4.0, lives={"foreign": float(HOUR)})
    bouncer.start()
    loops = {name: stage.keep(Loop(bouncer.client(name), i + 1)) for i, name in enumerate(bouncer.profiles)}
    time.sleep(seconds)  # not a wait for something: how long the queries go on
    failed = {name: failures[:2] for name, loop in loops.items() if (failures := loop.stop())}
    expect(not failed, lambda: f"calls that failed: {failed}")
    idle = [name for name, loop in loops.items() if loop.calls < 5]
    expect(not idle, lambda: f"hardly a call came through: {idle}")
    counters = workspace.counters()
    for name in bouncer.profiles.keys() & KINDS.keys():
        expect(counters.get(f"mint.{KINDS[name]}", 0) > 1, lambda: f"{name}: no second token in {seconds} s ({counters})")
    refused = workspace.count("call.refused")
    print(f"   {sum(loop.calls for loop in loops.values())} calls by {len(loops)} profiles, {workspace.count('mint.')} tokens, "
          f"{refused} calls refused on the way", flush=True)
    if not world.is_inside():
        raise Skipped("without Azure's ways to log in, which only a network namespace can redirect; the others are well")


# --- (b) ---------------------------------------------------------------------------------------------------------

def fifty_at_once(stage, bouncer, kind, what):
    """Each with a connection of its own; one token for all of them."""
    before = stage.workspace.count(f"mint.{kind}")
    clients = [bouncer.client("m2m") for _ in range(50)]
    results = in_parallel(50, lambda i: config_call(clients[i], i + 1).finish())
    failed = [f"{result.code}: {result.details}" for result in results if result.code != "OK"]
    expect(not failed, lambda: f"{what}: {len(failed)} failed: {failed[0]}")
    expect_equal(stage.workspace.count(f"mint.{kind}") - before, 1, f"{what}: tokens minted")


@case("50 clients arrive where there is no token yet, and where it has been revoked: one refresh each time", limit=90)
def single_flight(stage):
    workspace = stage.workspace
    workspace.set(delays={"mint": 0.5})
    bouncer = Bouncer(stage, "m2m").start()
    fifty_at_once(stage, bouncer, "oauth-m2m", "no token yet")
    for form in ("http", "grpc"):
        workspace.set(forms={"token-invalid": form})
        expect_equal(workspace.revoke(kind="oauth-m2m"), 1, "tokens revoked")
        fifty_at_once(stage, bouncer, "oauth-m2m", f"revoked, refused as {form}")


@case("50 clients arrive after a sleep longer than the token's life: one refresh, and nothing refused", limit=90)
def single_flight_after_sleep(stage):
    bouncer = Bouncer(stage, "m2m")
    clock = SleepClock(stage, bouncer)
    bouncer.start()
    expect_ok(config_call(bouncer.client("m2m")).finish(), "the first call")
    stage.workspace.set(delays={"mint": 0.5})
    clock.sleep(2 * HOUR)
    fifty_at_once(stage, bouncer, "oauth-m2m", "asleep for longer than the token lives")
    expect_equal(stage.workspace.count("call.refused"), 0, "calls with a token that had ended")


# --- (c) ---------------------------------------------------------------------------------------------------------

def read_through_revocation(stage, client, operation):
    """A query as PySpark reads it, the token revoked at its fifth message; its status and how many messages came."""
    running = execute(client, 7, operation, messages=20, delay_ms=30)
    messages, releases, calls = 0, [], []
    for message in running.call:
        messages += 1
        releases.append(release(client, 7, operation, text(message, 13)))
        if messages == 5:
            expect_equal(stage.workspace.revoke(kind="oauth-m2m"), 1, "tokens revoked")
        if messages > 5:
            calls.append(config_call(client, 7))
    releases.append(release(client, 7, operation))
    for call in releases + calls:
        expect_ok(call.finish(), "a call beside the query")
    return running.finish(), messages


@case("a token revoked in mid-query: the query ends well, with one refresh and no failed call", limit=90)
def revoked_in_mid_query(stage):
    workspace = stage.workspace
    bouncer = Bouncer(stage, "m2m").start()
    client = bouncer.client("m2m")
    expect_ok(config_call(client).finish(), "the first call")
    for operation, (name, form) in enumerate((("token-invalid", "http"), ("token-invalid", "grpc")), start=1):
        workspace.set(forms={name: form})
        before = workspace.count("mint.oauth-m2m")
        result, messages = read_through_revocation(stage, client, operation)
        expect_ok(result, f"the query, refused as {form}")
        expect_equal(messages, 21, "messages")
        expect_equal(workspace.count("mint.oauth-m2m") - before, 1, "tokens minted")


@case("a token revoked in mid-query: the reattach of the rest gets a fresh one", limit=60)
def revoked_before_reattach(stage):
    bouncer = Bouncer(stage, "m2m").start()
    client = bouncer.client("m2m")
    running = client.start(SPARK + "ExecutePlan", plan(8, 80), "messages=6,size=500", shape="us")
    last = [message for message in running.call][2]
    running.finish()
    expect_equal(stage.workspace.revoke(kind="oauth-m2m"), 1, "tokens revoked")
    reattach = client.start(SPARK + "ReattachExecute", request(8) + field(3, text(last, 12)) + field(6, text(last, 13)), "messages=6",
                            shape="us", limit=20).finish()
    expect_ok(reattach, "ReattachExecute")
    expect_equal(stage.workspace.count("mint.oauth-m2m"), 2, "tokens minted")


@case("a static token revoked: said once in a sentence, not hammered, mended by a new file", limit=60)
def static_token(stage):
    workspace = stage.workspace
    bouncer = Bouncer(stage, "pat-file").start()
    client = bouncer.client("pat-file")
    expect_ok(config_call(client).finish(), "the first call")
    workspace.revoke(value=PAT)
    for _ in range(20):
        expect_words(config_call(client).finish(), "UNAUTHENTICATED", "pat-file", "localhost")
    expect(workspace.count("call.refused.token") <= 2, lambda: f"hammered: {workspace.counters()}")
    workspace.add_token("dapi-the-next-one")
    bouncer.write(bouncer.token_file, "dapi-the-next-one")
    ask_until(client, lambda result: result.code == "OK", "the new token file to be read")


# --- (d) ---------------------------------------------------------------------------------------------------------

PYSPARK = """
import sys
from pyspark.sql import SparkSession
try:
    SparkSession.builder.remote(sys.argv[1]).getOrCreate().range(3).count()
except Exception as error:
    print(type(error).__name__, error)
"""


def stock_pyspark(url):
    """What a person sees of it, at once: a fatal status is not retried for ten minutes."""
    done = subprocess.run([sys.executable, "-c", PYSPARK, url], capture_output=True, text=True, timeout=45, check=False)
    return done.stdout + done.stderr


@case("the login has lapsed: the CLI's own hint reaches PySpark's user, and a new login is enough", limit=120)
def lapsed(stage):
    bouncer = Bouncer(stage, "cli")
    bouncer.cli.set(login="lapsed")
    bouncer.start()
    client = bouncer.client("cli")
    expect_words(config_call(client).finish(), "UNAUTHENTICATED", "databricks auth login --profile cli")
    said = stock_pyspark(f"sc://{bouncer.daemon.target}/;x-profile=cli".replace("127.0.0.1", "localhost"))
    expect("databricks auth login --profile cli" in said, lambda: f"PySpark said: {said[-600:]}")
    runs = len(bouncer.cli.runs())
    for _ in range(10):
        config_call(client).finish()
    expect(len(bouncer.cli.runs()) - runs <= 4, "the program was run for each call")
    bouncer.cli.set(login="ok")
    ask_until(client, lambda result: result.code == "OK", "the new login to be found", limit=45)
    run = bouncer.cli.runs()[-1]
    expect("--profile" in run["argv"] and not run["stdin_is_tty"], lambda: f"how it was run: {run['argv']}")


@case("no login at all, az not logged in, a vault that refuses, wrong secrets: each a sentence with the next command", limit=120)
def not_logged_in(stage):
    bouncer = Bouncer(stage, "cli", "exec", "m2m", "file-oidc", "azure-cli")
    bouncer.cli.set(login="none")
    bouncer.vault.set(login="none")
    bouncer.az.set(login="none")
    bouncer.profiles["m2m"]["client_secret"] = "wrong"
    os.unlink(bouncer.oidc_file)
    bouncer.start()
    expected = {"cli": "databricks auth login --profile cli", "exec": "vault login", "m2m": "client_id", "file-oidc": bouncer.oidc_file}
    if world.is_inside():
        expected["azure-cli"] = "az login"
    for name, words in expected.items():
        result = config_call(bouncer.client(name)).finish()
        # Of a command of somebody's own nobody knows whether trying again helps.
        expect_words(result, result.code if name == "exec" and result.code == "UNAVAILABLE" else "UNAUTHENTICATED", name, words)
        expect("\n" not in result.details, lambda: f"more than a sentence: {result.details}")


@case("a helper that hangs is ended, and the call with it, within its limit", limit=60)
def hanging_helper(stage):
    bouncer = Bouncer(stage, "cli")
    bouncer.cli.set(login="hang")
    bouncer.profiles["cli"]["credential_timeout"] = "3s"
    bouncer.start()
    started = time.monotonic()
    result = config_call(bouncer.client("cli")).finish()
    expect(result.code in ("UNAUTHENTICATED", "UNAVAILABLE") and "cli" in result.details, lambda: f"{result.code}: {result.details}")
    expect(time.monotonic() - started < 15, "the call outlived its limit by far")
    expect_ok(config_call(bouncer.client("pat")).finish(), "another profile meanwhile")


# --- (e) ---------------------------------------------------------------------------------------------------------

@case("the configuration is edited while queries run: not one call fails", limit=120)
def edited(stage):
    workspace = stage.workspace
    bouncer = Bouncer(stage, "m2m", "exec").start()
    loops = [stage.keep(Loop(bouncer.client(name), 20 + i)) for i, name in enumerate(("pat", "m2m", "exec"))]
    long_query = execute(bouncer.client("pat"), 30, 300, messages=60, delay_ms=50)
    late = bouncer.client("late")
    expect(config_call(late).finish().code != "OK", "there is a profile late already")

    bouncer.profiles["late"] = bouncer.at_workspace({"token": PAT})
    bouncer.rewrite()
    ask_until(late, lambda result: result.code == "OK", "the new profile")

    good = dict(bouncer.main)
    bouncer.main["log_levle"] = "debug"
    bouncer.profiles["worse"] = bouncer.at_workspace({"token": PAT})
    bouncer.rewrite()
    end = time.monotonic() + 20
    while "log_levle" not in bouncer.daemon.log():
        expect(time.monotonic() < end, "nothing was said of the broken configuration")
        time.sleep(0.05)
    expect(config_call(bouncer.client("worse")).finish().code != "OK", "a broken configuration was taken")
    expect_ok(config_call(late).finish(), "the old configuration")

    bouncer.main = good
    workspace.add_token("dapi-another")
    bouncer.profiles["late"]["token"] = "dapi-another"
    bouncer.rewrite()
    ask_until(bouncer.client("worse"), lambda result: result.code == "OK", "the mended configuration")
    workspace.ask("forget")
    expect_ok(config_call(late).finish(), "the changed profile")
    expect(workspace.requests("call.allowed"), "it did not get there")

    del bouncer.profiles["late"]
    bouncer.rewrite()
    ask_until(late, lambda result: result.code != "OK", "the profile to be gone")
    failed = [failure for loop in loops for failure in loop.stop()]
    expect(not failed, lambda: f"calls that failed: {failed[:3]}")
    expect_ok(long_query.finish(60), "the query that ran through all of it")


# --- (f) ---------------------------------------------------------------------------------------------------------

@case("asleep for longer than any token lives: every profile's first call afterwards is well", limit=120)
def asleep(stage):
    bouncer = Bouncer(stage)
    clock = SleepClock(stage, bouncer)
    bouncer.start()
    clients = {name: bouncer.client(name) for name in bouncer.profiles}
    for name, client in clients.items():
        expect_ok(config_call(client).finish(), f"{name} before")
    stage.workspace.add_token(PAT)
    stage.workspace.ask("forget")
    # A foreign token ends too; who rotates the file and the variable has done so.
    clock.sleep(10 * HOUR)
    bouncer.write(bouncer.oidc_file, stage.workspace.mint("foreign", subject="file"))
    for name, client in clients.items():
        if name != "env-oidc":
            expect_ok(config_call(client).finish(), f"{name} after")
    refused = {request["token"] for request in stage.workspace.requests("call.refused")}
    expect(not refused, lambda: f"a token that had ended was tried: {stage.workspace.counters()}")


# --- (g) ---------------------------------------------------------------------------------------------------------

def marked_places(bouncer, errors):
    """Everything that somebody may get to see, by name."""
    pid = bouncer.daemon.process.pid
    places = {"log": bouncer.daemon.log(), "standard output": "\n".join(bouncer.daemon.lines), "errors": "\n".join(errors)}
    for command in (["status"], ["status", "--json"], ["check"], ["check", "--json"], ["profiles"], ["sessions"], ["env"], ["doctor"],
                    ["metrics"]):
        places["sparkbouncer " + " ".join(command)] = bouncer.run(*command)
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        places["cmdline"] = file.read().decode()
    for tool in (bouncer.cli, bouncer.az, bouncer.vault):
        for run in tool.runs():
            places.setdefault(f"argv of {tool.name}", "")
            places[f"argv of {tool.name}"] += " ".join(run["argv"])
            places.setdefault(f"environ of {tool.name}", "")
            places[f"environ of {tool.name}"] += json.dumps(run["environ"])
    return places


def expect_no_core(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        limit = next(line.split()[4:6] for line in file if line.startswith("Max core file size"))
    expect_equal(limit, ["0", "0"], "limit of core files")


@case("a marked token is in no log, metric, error, command line or environment, and in no core file", limit=180)
def marked(stage):
    workspace, marker = stage.workspace, "MARKEDTOKEN"
    workspace.ask("marker", text=marker)
    bouncer = Bouncer(stage)
    pat, secret = f"dapi{marker}pat", f"dose{marker}"
    workspace.add_token(pat)
    workspace.set(clients={"marked": secret})
    bouncer.profiles["pat"]["token"] = pat
    bouncer.write(bouncer.token_file, pat)
    bouncer.profiles["m2m"].update(client_id="marked", client_secret=secret)
    bouncer.profiles["wrong"] = bouncer.at_workspace({"auth_type": "oauth-m2m", "client_id": "nobody", "client_secret": secret})
    bouncer.start()
    clients = {name: bouncer.client(name) for name in bouncer.profiles}
    errors = []
    for name, client in clients.items():
        result = config_call(client).finish()
        expect(result.code == "OK" or name == "wrong", lambda: f"{name}: {result.code} {result.details}")
        errors.append(result.details)
    workspace.revoke()
    for tool in (bouncer.cli, bouncer.az, bouncer.vault):
        tool.set(login="none")
    workspace.fail("mint", times=100, status=400, body={"error": "invalid_grant", "error_description": "no"})
    errors += [config_call(client).finish().details for client in clients.values()]
    expect_no_core(bouncer.daemon.process.pid)
    found = []
    for place, content in marked_places(bouncer, errors).items():
        # The token that a person has put into the environment themselves is in that of every child.
        hidden = content.replace(bouncer.environ["SCENARIO_OIDC_TOKEN"], "") if place.startswith("environ") else content
        found += [place for word in (marker, SECRET, AZURE_SECRET) if word in hidden]
    expect(not found, lambda: f"found in: {', '.join(found)}")
    expect(len(errors) > 10 and any(errors), "there were no errors to look into")


@case("helpers get a clean process: no terminal, a group of their own, none left behind", limit=60)
def helpers(stage):
    bouncer = Bouncer(stage, "cli", "exec").start()
    for name in ("cli", "exec"):
        expect_ok(config_call(bouncer.client(name)).finish(), name)
    pid = bouncer.daemon.process.pid
    for tool in (bouncer.cli, bouncer.vault):
        for run in tool.runs():
            expect(not run["stdin_is_tty"] and run["group"] != os.getpgid(pid), lambda: f"{tool.name}: {run['group']}")
    end = time.monotonic() + 10
    while children(pid):
        expect(time.monotonic() < end, lambda: f"still there: {children(pid)}")
        time.sleep(0.05)


# --- (h) ---------------------------------------------------------------------------------------------------------

STATES = {
    "terminated": ({"state": "TERMINATED", "message": "Inactive"}, "FAILED_PRECONDITION", ("TERMINATED", "sparkbouncer start")),
    "terminating": ({"state": "TERMINATING"}, "FAILED_PRECONDITION", ("TERMINATING",)),
    "error": ({"state": "ERROR", "message": "broken"}, "FAILED_PRECONDITION", ("ERROR", "broken")),
    "pending": ({"state": "PENDING"}, "UNAVAILABLE", ("is starting", "PENDING")),
    "restarting": ({"state": "RESTARTING"}, "UNAVAILABLE", ("is starting", "RESTARTING")),
    "forbidden": ({"may_attach": False}, "PERMISSION_DENIED", ("may not use", "Can Attach To")),
    "hidden": ({"may_see": False}, "PERMISSION_DENIED", ("may not use",)),
    "mode": ({"access_mode": "NONE"}, "PERMISSION_DENIED", ("access mode",)),
    "missing": (None, "NOT_FOUND", ("does not exist", "sparkbouncer check")),
}


@case("each state of a cluster is a sentence with the next command, in either form of the workspace's answer", limit=120)
def cluster_states(stage):
    workspace = stage.workspace
    for form in ("http", "grpc"):
        bouncer = Bouncer(stage, "pat")
        workspace.set(forms=dict.fromkeys(("cluster-missing", "cluster-not-running", "cluster-forbidden", "access-mode"), form))
        for name, (facts, _, _) in STATES.items():
            if facts is not None:
                workspace.cluster(f"c-{name}", name=f"the {name} one", **facts)
            bouncer.profiles[name] = bouncer.at_workspace({"token": PAT, "cluster_id": f"c-{name}"})
        bouncer.start()
        for name, (_, code, words) in STATES.items():
            started = time.monotonic()
            result = config_call(bouncer.client(name)).finish()
            expect_words(result, code, f"c-{name}", name, *words)
            expect(time.monotonic() - started < 10, f"{name}: it took long")
        bouncer.daemon.kill()


@case("many clients meet a cluster that is off: asked once, and started once where the profile says so", limit=90)
def cluster_starts(stage):
    workspace = stage.workspace
    workspace.cluster("c-off", state="TERMINATED")
    workspace.cluster("c-start", state="TERMINATED", start_seconds=1.0)
    bouncer = Bouncer(stage, "pat")
    bouncer.profiles["off"] = bouncer.at_workspace({"token": PAT, "cluster_id": "c-off"})
    bouncer.profiles["start"] = bouncer.at_workspace({"token": PAT, "cluster_id": "c-start", "autostart": "yes"})
    bouncer.start()
    clients = [bouncer.client("off") for _ in range(20)]
    codes = {result.code for result in in_parallel(20, lambda i: config_call(clients[i], i + 1).finish())}
    expect_equal(codes, {"FAILED_PRECONDITION"}, "statuses")
    expect(workspace.count("rest./api/2.1/clusters/get") <= 2, lambda: f"asked again and again: {workspace.counters()}")
    clients = [bouncer.client("start") for _ in range(20)]
    failed = [result.details for result in in_parallel(20, lambda i: config_call(clients[i], i + 1).finish()) if result.code != "OK"]
    expect(not failed, lambda: f"{len(failed)} failed: {failed[0]}")
    expect_equal(workspace.cluster("c-start")["starts"], 1, "starts")


@case("profiles asks for each cluster, and a new state is seen", limit=60)
def profiles_ask(stage):
    workspace = stage.workspace
    workspace.cluster("c-off", state="TERMINATED", name="the etl one")
    bouncer = Bouncer(stage, "m2m")
    bouncer.profiles["off"] = bouncer.at_workspace({"token": PAT, "cluster_id": "c-off"})
    bouncer.start()

    def states():
        rows = json.loads(bouncer.run("profiles", "--json"))["profiles"]
        return {row["name"]: row["cluster"]["state"] for row in rows if row["cluster"]}

    expect_equal(states(), {"pat": "RUNNING", "m2m": "RUNNING", "off": "TERMINATED"}, "states")
    workspace.cluster("c-off", state="PENDING")
    end = time.monotonic() + 20  # an answer counts for some seconds
    while states()["off"] != "PENDING":
        expect(time.monotonic() < end, "the new state was not asked for")


@case("serverless: the session id of the call goes along in place of a cluster", limit=60)
def serverless(stage):
    bouncer = Bouncer(stage, "pat")
    profile = bouncer.at_workspace({"token": PAT, "serverless_compute_id": "auto"})
    del profile["cluster_id"]
    bouncer.profiles["serverless"] = profile
    bouncer.start()
    client = bouncer.client("serverless")
    for session in (1, 2):
        expect_ok(config_call(client, session).finish(), "Config")
        expect_ok(execute(client, session, 50 + session).finish(), "ExecutePlan")
    upload = [request(3) + field(5, field(1, b"a" * 30000))] * 10
    expect_ok(client.start(SPARK + "AddArtifacts", iter(upload), shape="su").finish(), "AddArtifacts")
    sessions = {request["session"] for request in stage.workspace.requests("call.allowed")}
    expect_equal(len(sessions), 3, "session ids seen")


@case("Azure's two headers reach the workspace", needs_world=True, limit=60)
def azure_headers(stage):
    bouncer = Bouncer(stage, "azure-secret", "azure-cli", "azure-msi")
    stage.workspace.set(needs_resource_id=True)
    bouncer.az.set(identity="service-principal")
    bouncer.start()
    for name in ("azure-secret", "azure-cli", "azure-msi"):
        expect_ok(config_call(bouncer.client(name)).finish(), name)
        seen = stage.workspace.requests("call.allowed")[-1]
        expect_equal((seen["management"], seen["resource_id"]), (True, AZURE_RESOURCE), f"{name}: token and resource id")
