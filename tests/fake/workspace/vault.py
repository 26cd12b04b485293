"""The fake vault: `exec` of a profile runs it."""

import json
import sys

from tool import fail, hang, load, mint

behaviour = load(sys.argv[1])
if behaviour["login"] == "hang":
    hang()
if behaviour["login"] != "ok":
    fail("vault: permission denied; run: vault login")
token = mint(behaviour, "pat", behaviour["user"], {})
print(json.dumps({"access_token": token["value"], "expires_on": int(token["expires"])}))
