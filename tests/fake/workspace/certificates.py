"""A certificate authority for one run and the front's certificate by it."""

import os
import subprocess

import world


def _openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise SystemExit(f"openssl {arguments[0]}: {done.stderr.strip()[-300:]}")


def make(folder):
    """(authority, certificate, key): paths."""
    paths = {name: os.path.join(folder, name) for name in ("ca.pem", "ca.key", "front.pem", "front.key", "front.csr", "front.ext")}
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _openssl("req", "-x509", *curve, "-keyout", paths["ca.key"], "-out", paths["ca.pem"], "-days", "2", "-subj",
             "/CN=fake workspace authority", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
             "keyUsage=critical,keyCertSign,cRLSign")
    _openssl("req", *curve, "-keyout", paths["front.key"], "-out", paths["front.csr"], "-subj", "/CN=localhost")
    names = ",".join(["DNS:localhost", "IP:127.0.0.1", *(f"DNS:{name}" for name in world.NAMES)])
    with open(paths["front.ext"], "w", encoding="ascii") as file:
        file.write(f"basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName={names}\n")
    _openssl("x509", "-req", "-in", paths["front.csr"], "-CA", paths["ca.pem"], "-CAkey", paths["ca.key"],
             "-CAcreateserial", "-out", paths["front.pem"], "-days", "2", "-extfile", paths["front.ext"])
    return paths["ca.pem"], paths["front.pem"], paths["front.key"]
