"""Tokens: what the workspace and the logins before it have given out, and whether each is still good."""

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass

# What each kind is worth: the workspace takes all but the management token, which only goes beside another.
PAT = "pat"
SERVICE_PRINCIPAL = "oauth-m2m"    # client_credentials at /oidc/v1/token
FEDERATED = "token-exchange"       # a foreign JWT exchanged at /oidc/v1/token
PERSON = "u2m"                     # what `databricks auth token` prints
ENTRA = "entra"                    # Azure's own token for the Databricks application
MANAGEMENT = "management"          # Azure's token for its management endpoint
METADATA = "metadata-service"
FOREIGN = "foreign"                # a JWT of GitHub or another identity provider: to be exchanged
KINDS = (PAT, SERVICE_PRINCIPAL, FEDERATED, PERSON, ENTRA, MANAGEMENT, METADATA, FOREIGN)


def fingerprint(secret):
    """Tells secrets apart in counters and logs without telling them."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def _segment(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass
class Token:
    value: str
    kind: str
    subject: str
    expires: float = None  # by the store's clock; None: never
    is_revoked: bool = False

    @property
    def print(self):
        return fingerprint(self.value)


class Clock:
    """Seconds since 1970, moved by tests."""

    def __init__(self):
        self.offset = 0.0

    def now(self):
        return time.time() + self.offset


class Tokens:
    """Any thread."""

    def __init__(self, clock):
        self.clock = clock
        self.lock = threading.Lock()
        self.by_value = {}
        self.marker = ""  # text that is part of every token minted, to be looked for where it must not be

    def clear(self):
        with self.lock:
            self.by_value.clear()
        self.marker = ""

    def add(self, value, kind, subject="", life=None):
        token = Token(value, kind, subject, None if life is None else self.clock.now() + life)
        with self.lock:
            self.by_value[value] = token
        return token

    def mint(self, kind, subject, life, **claims):
        """A new one, in the shape of a signed JWT; nobody checks the signature."""
        now = self.clock.now()
        body = {"iss": "https://fake.workspace/oidc", "sub": subject, "iat": int(now), "exp": int(now + life),
                "jti": secrets.token_hex(8), **claims}
        value = f"{_segment({'alg': 'RS256', 'typ': 'JWT'})}.{_segment(body)}.{self.marker}{secrets.token_urlsafe(24)}"
        return self.add(value, kind, subject, life)

    def find(self, value, *kinds):
        """(the token, None), or (None or the token, why it is no good: unknown, revoked, expired)."""
        with self.lock:
            token = self.by_value.get(value)
        if token is None or (kinds and token.kind not in kinds):
            return None, "unknown"
        if token.is_revoked:
            return token, "revoked"
        if token.expires is not None and token.expires <= self.clock.now():
            return token, "expired"
        return token, None

    def revoke(self, matches):
        """How many good ones are no longer good."""
        with self.lock:
            found = [token for token in self.by_value.values() if not token.is_revoked and matches(token)]
            for token in found:
                token.is_revoked = True
        return len(found)
