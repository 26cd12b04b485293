#!/usr/bin/env python3
"""What the daemon resolves against what the SDK's own Config does, for the same files and variables.

    sdk_config.py --daemon PROGRAM [--only TEXT] [--show]

Each file is combined with each environment, and with the command lines that are in PATH where these matter. Compared are
host, auth_type, cluster_id, serverless_compute_id, and the kind of error. All of the SDK is real; only the network is not:
what it asks for by HTTP is answered here. A difference must be one of those that sdk_config_cases.py names, and each of
these must occur. Prints `FAIL case: ...`, and at the end `N passed, N failed, N skipped`.
"""

import argparse
import collections
import dataclasses
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests
import sdk_config_cases as cases
from databricks.sdk.config import Config

JWT = "e30.eyJ1cG4iOiJhZGFAZXhhbXBsZS5jb20ifQ.c2ln"  # {"upn": ...}: a person
CLI = """#!/bin/sh
case "$1" in
version) echo '{"Major": 0, "Minor": 300, "Patch": 0}' ;;
*) echo '{"access_token": "t", "token_type": "Bearer", "expiry": "2099-01-01T00:00:00Z"}' ;;
esac
"""
AZ = f"""#!/bin/sh
case "$2" in
show) echo '{{"user": {{"type": "user", "name": "ada"}}}}' ;;
*) echo '{{"accessToken": "{JWT}", "tokenType": "Bearer", "expiresOn": "2099-01-01 00:00:00.000000"}}' ;;
esac
"""


@dataclasses.dataclass(frozen=True)
class Case:
    file: str
    environment: str
    tools: str

    def __str__(self):
        return f"{self.file} x {self.environment} x {self.tools}"

    @property
    def is_named(self):
        return bool(cases.ENVIRONMENTS[self.environment].get("DATABRICKS_CONFIG_PROFILE"))


@dataclasses.dataclass
class Found:
    host: str | None = None
    auth_type: str | None = None
    cluster_id: str | None = None
    serverless: str | None = None
    error: str | None = None  # its kind
    sentence: str = ""
    profile: str | None = None

    @property
    def compared(self):
        return (self.error,) if self.error else (self.host, self.auth_type, self.cluster_id, self.serverless)

    def rest_equals(self, other):
        return not self.error and not other.error and (self.host, self.cluster_id) == (other.host, other.cluster_id)

    def __str__(self):
        if self.error:
            return f"{self.error}: {self.sentence}"
        return f"{self.host} {self.auth_type} cluster={self.cluster_id} serverless={self.serverless}"


def answer(_adapter, request, **_):
    """The network, as seen by the SDK."""
    url, status, headers, body = request.url, 200, {}, {}
    host = "/".join(url.split("/")[:3])
    if url.endswith("/.well-known/databricks-config"):
        body = {"oidc_endpoint": f"{host}/oidc"}
    elif url.endswith("/.well-known/oauth-authorization-server"):
        body = {"authorization_endpoint": f"{host}/oidc/v1/authorize", "token_endpoint": f"{host}/oidc/v1/token"}
    elif url.endswith("/aad/auth"):
        status, headers = 302, {"Location": "https://login.microsoftonline.com/tenant/oauth2/authorize"}
    elif url.startswith("http://localhost:9/secret"):
        body = {"access_token": "t", "token_type": "Bearer", "expires_on": int(time.time()) + 3600}
    elif url.startswith("https://github.example/"):
        body = {"value": JWT}
    elif url.startswith("https://management.azure.com/"):
        body = {"properties": {"workspaceUrl": cases.AZURE.split("//")[1]}}
    else:
        status = 404
    response = requests.Response()
    response.status_code, response.url, response.request = status, url, request
    response.headers.update({"Content-Type": "application/json", **headers})
    response.raw = io.BytesIO(json.dumps(body).encode())
    return response


def kind_of_sdk_error(sentence):
    for text, kind in (
        ("more than one authorization method configured", "more than one"),
        ("profile configured", "no profile"),
        ("reserved section name", "no profile"),
        ("cannot configure default credentials", "not configured"),
        ("does not support group role assumption", "not configured"),
    ):
        if text in sentence:
            return kind
    return "failed"


# What the daemon calls by a finer name is one thing to the SDK.
NOT_CONFIGURED = ("no host", "no default", "lacks", "group", "no tool")


def kind_of_our_error(sentence):
    for text, kind in (
        ("more than one authorization method configured", "more than one"),
        ("no profile \"", "no profile"),
        ("there is no host", "no host"),
        ("DATABRICKS_HOST is not", "no host"),
        ("may not be for the host", "moved secret"),
        ("was made for another", "moved secret"),
        ("exclude each other", "cluster and serverless"),
        ("has ended logins", "refused"),
        ("beside it", "half"),
        ("no such variable", "no variable"),
        ("unknown auth type", "unknown type"),
        ("is for Azure", "not azure"),
        ("group", "group"),
        (" needs ", "lacks"),
    ):
        if text in sentence:
            return kind
    return "other"


class Rig:
    """Home directory, tools and environment of the cases, which are run one after the other."""

    def __init__(self, daemon, directory):
        self.daemon, self.home = daemon, directory / "home"
        self.home.mkdir()
        key = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, text=True, check=True).stdout
        account = {"type": "service_account", "private_key": key, "client_email": "a@b", "token_uri": "https://t.example"}
        (self.home / "google.json").write_text(json.dumps(account))
        (self.home / "jwt").write_text(JWT)
        (self.home / "other").write_text(cases.section("DEFAULT", **cases.PROFILES["pat-cluster"]))
        for path in self.home.iterdir():
            path.chmod(0o600)
        self.tools = {}
        for name, programs in cases.TOOLS.items():
            self.tools[name] = directory / name
            self.tools[name].mkdir()
            for program in programs:
                (self.tools[name] / program).write_text(CLI if program == "databricks" else AZ)
                (self.tools[name] / program).chmod(0o755)

    def prepare(self, case):
        path, content = self.home / ".databrickscfg", cases.FILES[case.file]
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content.replace("@", str(self.home)))
            path.chmod(0o600)
        variables = {name: value.replace("@", str(self.home)) for name, value in cases.ENVIRONMENTS[case.environment].items()}
        google = {"GOOGLE_APPLICATION_CREDENTIALS": str(self.home / "google.json")}
        return {"HOME": str(self.home), "PATH": str(self.tools[case.tools]), "MY_JWT": JWT, **google, **variables}

    def ask_sdk(self, environment):
        os.environ.clear()
        os.environ.update(environment)
        try:
            config = Config()
        except Exception as error:  # pylint: disable=broad-except
            return Found(error=kind_of_sdk_error(str(error)), sentence=str(error))
        return Found(config.host, config.auth_type, config.cluster_id, config.serverless_compute_id)

    def ask_daemon(self, environment, tools):
        said = subprocess.run([self.daemon, "check", "--json"], env=environment, capture_output=True, text=True, check=False)
        document = json.loads(said.stdout)
        if not document["ok"]:
            sentence = next(entry["sentence"] for entry in document["problems"] if entry["level"] == "error")
            return Found(error=kind_of_our_error(sentence), sentence=sentence)
        name = document["settings"]["default_profile"]
        if name is None:
            return Found(error="no default", sentence="no default profile")
        profile = next(entry for entry in document["settings"]["profiles"] if entry["name"] == name)
        if profile["error"]:
            return Found(error=kind_of_our_error(profile["error"]), sentence=profile["error"], profile=name)
        found = Found(profile["host"], None, profile["cluster_id"], profile["serverless_compute_id"], profile=name)
        # What is to be tried at run time would find the first tool that there is.
        needs = {"databricks-cli": "databricks", "azure-cli": "az"}
        found.auth_type = next((kind for kind in profile["auth_types"] if needs.get(kind) in (None, *cases.TOOLS[tools])), None)
        if found.auth_type is None:
            found.error, found.sentence = "no tool", "to be tried: " + ", ".join(profile["auth_types"])
        return found


def all_cases():
    for tools in cases.TOOLS:
        for file in cases.FILES:
            for environment in cases.ENVIRONMENTS:
                is_rare = tools != "databricks+az"
                # Which tools there are matters only for some; each of these files with each environment.
                if not is_rare or file.split("/")[-1] in ("none", "host", "azure-host", "azure-tenant", "client-id-only"):
                    yield Case(file, environment, tools)


def is_same(sdk, ours):
    if sdk.error or ours.error:
        error = "not configured" if ours.error in NOT_CONFIGURED else ours.error
        return sdk.error == error
    return sdk.compared == ours.compared


def judge(case, sdk, ours, seen):
    """The complaint, or None."""
    if is_same(sdk, ours):
        return None
    for difference in cases.DIFFERENCES:
        if difference(sdk, ours, case):
            seen[difference.__name__] += 1
            return None
    return f"SDK {sdk}\n       ours {ours}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--daemon", required=True)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--show", action="store_true", help="what was found in each")
    args = parser.parse_args()
    requests.adapters.HTTPAdapter.send = answer
    logging.disable()
    directory = Path(tempfile.mkdtemp(prefix="sdk_config."))
    rig = Rig(os.path.abspath(args.daemon), directory)
    seen, passed, failed = collections.Counter(), 0, 0
    try:
        for case in all_cases():
            if args.only not in str(case):
                continue
            environment = rig.prepare(case)
            sdk, ours = rig.ask_sdk(environment), rig.ask_daemon(environment, case.tools)
            complaint = judge(case, sdk, ours, seen)
            if args.show:
                print(f"{case}\n   SDK {sdk}\n   ours {ours}")
            if complaint:
                print(f"FAIL {case}:\n       {complaint}", flush=True)
            failed, passed = failed + bool(complaint), passed + (not complaint)
    finally:
        shutil.rmtree(directory)
    for difference in cases.DIFFERENCES:
        print(f"   {seen[difference.__name__]:5d} differ: {difference.__name__}: {difference.__doc__}")
        if not seen[difference.__name__] and not args.only:
            print(f"FAIL {difference.__name__}: a difference that there is no longer")
            failed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
