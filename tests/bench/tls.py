"""A certificate authority for one run, a certificate of it for localhost, and the newest OpenSSL."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from processes import Failure

EXTENSIONS = "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"


@dataclass
class Certificate:
    ca: Path
    certificate: Path
    key: Path


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"openssl {arguments[0]}: {done.stderr.strip()[-300:]}")


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    key, request, certificate = folder / "server.key", folder / "server.csr", folder / "server.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", 2, "-subj", "/CN=sparkbouncer benchmark",
             "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=localhost")
    (folder / "extensions").write_text(EXTENSIONS)
    _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", certificate, "-days", 2,
             "-extfile", folder / "extensions")
    return Certificate(ca, certificate, key)


def newest_openssl(venv, folder):
    """A folder for LD_LIBRARY_PATH with the OpenSSL that the Python package psycopg-binary brings; None when it is not there.

    Its libraries have names of their own; under the usual ones every program of the distribution takes them.
    """
    libraries = next(iter(Path(venv).glob("lib/python3*/site-packages/psycopg_binary.libs")), None)
    if not libraries:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("libssl", "libcrypto"):
        found = next(iter(libraries.glob(f"{name}-*.so.3")), None)
        if not found:
            return None
        for link in (folder / found.name, folder / f"{name}.so.3"):
            link.unlink(missing_ok=True)
            link.symlink_to(found)
    return folder
