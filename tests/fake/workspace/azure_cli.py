"""The fake `az`: `account get-access-token` and `account show` (its behaviour: programs.AzureCli)."""

import json
import sys
import time

from tool import fail, hang, load, mint, option

APPLICATION = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
LOGIN = "Please run 'az login' to setup account."


def show(behaviour):
    names = {"managed-identity": ("systemAssignedIdentity", "servicePrincipal"),
             "service-principal": ("11111111-2222-3333-4444-555555555555", "servicePrincipal"),
             "person": (behaviour["user"], "user")}
    name, type_ = names[behaviour["identity"]]
    print(json.dumps({"environmentName": "AzureCloud", "id": behaviour["subscription"], "isDefault": True, "name": "Fake",
                      "state": "Enabled", "tenantId": behaviour["tenant"], "user": {"name": name, "type": type_}}, indent=2))


def local_time(seconds):
    """Naive local time with microseconds, as az has always written expiresOn."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}"


def get_access_token(behaviour, arguments):
    tenant, subscription = option(arguments, "--tenant"), option(arguments, "--subscription")
    if subscription and subscription != behaviour["subscription"]:
        fail(f"ERROR: Subscription '{subscription}' not found. Check the spelling and casing and try again.")
    if tenant and subscription:
        fail("ERROR: Please specify only one of subscription and tenant, not both")
    if tenant and tenant != behaviour["tenant"]:
        fail(f"ERROR: AADSTS90002: Tenant '{tenant}' not found.\nInteractive authentication is needed. Please run:\naz login "
             f"--tenant \"{tenant}\"")
    resource, is_person = option(arguments, "--resource"), behaviour["identity"] == "person"
    subject = behaviour["user"] if is_person else behaviour["identity"]
    claims = {"aud": resource, "tid": behaviour["tenant"], **({"upn": subject} if is_person else {"appid": subject})}
    token = mint(behaviour, "entra" if resource == APPLICATION else "management", subject, claims)
    answer = {"accessToken": token["value"], "expiresOn": local_time(token["expires"]), "expires_on": int(token["expires"]),
              "subscription": behaviour["subscription"], "tenant": behaviour["tenant"], "tokenType": "Bearer"}
    if behaviour["is_old"]:
        del answer["expires_on"]
    print(json.dumps(answer, indent=2))


def main():
    behaviour, arguments = load(sys.argv[1]), sys.argv[2:]
    if behaviour["login"] == "hang":
        hang()
    if behaviour["login"] == "none":
        fail(f"ERROR: {LOGIN}")
    if behaviour["login"] == "lapsed":
        fail("ERROR: AADSTS700082: The refresh token has expired due to inactivity. The token was issued on "
             "2026-01-01T00:00:00.0000000Z and was inactive for 90.00:00:00.\nInteractive authentication is needed. Please run:\naz login")
    if arguments[:2] == ["account", "show"]:
        show(behaviour)
    elif arguments[:2] == ["account", "get-access-token"]:
        get_access_token(behaviour, arguments)
    else:
        fail(f"ERROR: '{' '.join(arguments)}' is misspelled or not recognized by the system.", 2)


main()
