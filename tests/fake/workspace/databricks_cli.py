"""The fake `databricks`: `version` and `auth token`, as the real one prints them (its behaviour: programs.DatabricksCli)."""

import json
import sys
import time

from tool import fail, hang, load, mint, option

LOGIN = "databricks auth login"
BUG = "If this fails, please report this issue to the Databricks CLI maintainers at https://github.com/databricks/cli/issues/new"


def version(behaviour, arguments):
    major, minor, patch = behaviour["version"]
    text = f"{major}.{minor}.{patch}"
    if option(arguments, "--output") != "json":
        print(f"Databricks CLI v{text}")
        return
    print(json.dumps({"ProjectName": "cli", "Version": text, "Branch": "main", "Tag": f"v{text}", "ShortCommit": "0fa4e0fa",
                      "FullCommit": "0fa4e0fa" * 5, "Summary": f"v{text}", "Major": major, "Minor": minor, "Patch": patch,
                      "Prerelease": "", "IsSnapshot": False}, indent=2))


def expiry(seconds, form):
    """RFC 3339 as Go writes it: nanoseconds without trailing zeros, the zone of the machine."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds + (5400 if form == "offset" else 0)))
    fraction = "" if form == "whole" else f".{int(seconds % 1 * 1e9):09d}".rstrip("0")
    return whole + fraction + ("+01:30" if form == "offset" else "Z")


def who(arguments):
    profile, host = option(arguments, "--profile"), option(arguments, "--host")
    return f"--profile {profile}" if profile else f"--host {host}"


def auth_token(behaviour, arguments):
    profile = option(arguments, "--profile")
    if not profile and not option(arguments, "--host"):
        fail("Error: no profile specified. Use --profile <name> to specify which profile to use")
    if "--force-refresh" in arguments and behaviour["version"] < [0, 296, 0]:
        fail("Error: unknown flag: --force-refresh")
    if behaviour["profiles"] is not None and profile and profile not in behaviour["profiles"]:
        fail(f"Error: profile {profile} not found in ~/.databrickscfg")
    login = behaviour["login"]
    if login == "lapsed":
        fail("Error: A new access token could not be retrieved because the refresh token is invalid. To reauthenticate, run the "
             f"following command:\n  $ {LOGIN} {who(arguments)}")
    if login == "none":
        fail(f"Error: cache: databricks OAuth is not configured for this host.\n\nTo reauthenticate, run the following command:\n\n"
             f"  $ {LOGIN} {who(arguments)}\n\n{BUG}")
    if login == "m2m":
        fail(f'Error: profile "{profile}" uses M2M authentication (client_id/client_secret). `databricks auth token` only supports '
             "U2M (user-to-machine) authentication tokens. To authenticate as a service principal, use the Databricks SDK directly")
    token = mint(behaviour, "u2m", behaviour["user"], {"scope": behaviour["scope"]})
    print(json.dumps({"access_token": token["value"], "token_type": "Bearer",
                      "expiry": expiry(token["expires"], behaviour["expiry"]), "expires_in": int(token["life"])}, indent=2), end="")


def main():
    behaviour, arguments = load(sys.argv[1]), sys.argv[2:]
    if behaviour["login"] == "hang":
        hang()
    if behaviour["login"] == "garbage":
        print("\x1b[31mWelcome\x1b[0m {not json")
    elif behaviour["login"] == "flood":
        sys.stdout.write("x" * (4 << 20))
    elif behaviour["login"] == "crash":
        fail("panic: runtime error: invalid memory address or nil pointer dereference", 2)
    elif arguments[:1] == ["version"]:
        version(behaviour, arguments)
    elif arguments[:2] == ["auth", "token"]:
        auth_token(behaviour, arguments)
    else:
        fail(f'Error: unknown command "{" ".join(arguments)}" for "databricks"')


main()
