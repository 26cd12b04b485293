"""A network of our own: the names and addresses that cannot be configured lead to the front.

In a network and mount namespace port 443 of loopback is free, 169.254.169.254 is an address of this machine, and
/etc/hosts says that login.microsoftonline.com, a workspace of Azure and a workspace of AWS are here. Nothing leaves it,
and nothing outside changes. Needs root or user namespaces; without either those names cannot be redirected.
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

INSIDE = "SPARKBOUNCER_TEST_WORLD"  # set within: the folder of its files

AWS_HOST = "dbc-a1b2345c-d6e7.cloud.databricks.com"
AZURE_HOST = "adb-1234567890123456.7.azuredatabricks.net"
LOGIN_HOST = "login.microsoftonline.com"
GITHUB_HOST = "pipelines.actions.githubusercontent.com"
NAMES = [AWS_HOST, AZURE_HOST, LOGIN_HOST, GITHUB_HOST, "management.azure.com"]
METADATA_ADDRESS = "169.254.169.254"  # where Azure's virtual machines ask for their identity

SIOCSIFADDR, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x8914, 1


def is_inside():
    return INSIDE in os.environ


def _prefix():
    """How to get there: as root, else with a user namespace."""
    command = ["unshare", "--net", "--mount", "--propagation", "private"]
    return command if os.geteuid() == 0 else command + ["--map-root-user", "--user"]


def why_not():
    """None when such namespaces can be had; else a sentence."""
    if not shutil.which("unshare") or not shutil.which("mount"):
        return "no unshare program here (Debian package util-linux)"
    done = subprocess.run([*_prefix(), "sh", "-c", "mount --bind /etc/hosts /etc/hosts"], capture_output=True,
                          text=True, timeout=20, check=False)
    return None if done.returncode == 0 else f"no namespaces here: {done.stderr.strip()[-200:]}"


def enter():
    """Starts this program over in a world of its own. Returns None within it, or why there is none."""
    if is_inside():
        _prepare(os.environ[INSIDE])
        return None
    reason = why_not()
    if reason is None:
        folder = tempfile.mkdtemp(prefix="world-")
        try:
            done = subprocess.run([*_prefix(), sys.executable, *sys.argv], env={**os.environ, INSIDE: folder}, check=False)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        sys.exit(done.returncode if done.returncode >= 0 else 1)
    return reason


def _prepare(folder):
    _set_address("lo", "127.0.0.1")
    _set_address("lo:1", METADATA_ADDRESS)
    hosts = os.path.join(folder, "hosts")
    with open(hosts, "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n::1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in NAMES))
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


def _set_address(interface, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        name = interface.encode().ljust(16, b"\0")
        fcntl.ioctl(sock, SIOCSIFADDR, name + struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address)))
        fcntl.ioctl(sock, SIOCSIFFLAGS, name + struct.pack("=H14x", IFF_UP))
