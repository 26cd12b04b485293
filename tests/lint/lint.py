#!/usr/bin/env python3
"""Rules about the source that no compiler checks. Prints `ok RULE`, `FAIL file:line: what` or `skipped RULE: why`, and
at the end `N passed, N failed, N skipped`.

    lint.py [--only RULE] [--list] [--fix-format]
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Each layer of daemon/ and those whose headers it may include besides its own.
# base <- conf <- http2 <- rpc <- spark <- session, auth <- relay <- front, admin <- daemon.c <- main.c
LAYERS = {
    "base": set(),
    "conf": {"base"},
    "http2": {"base", "conf"},
    "rpc": {"base", "proto"},
    "spark": {"base", "rpc", "proto"},
    "session": {"base", "conf", "http2", "rpc", "spark"},
    "auth": {"base", "conf", "http2", "rpc", "spark"},
    "relay": {"base", "conf", "http2", "rpc", "spark", "session", "auth"},
    "front": {"base", "conf", "http2", "rpc", "spark", "session", "auth", "relay"},
    "admin": {"base", "conf", "http2", "rpc", "spark", "session", "auth", "relay"},
    "cli": {"base", "conf"},
}
EVERY_LAYER = set(LAYERS)
# Files that may see more than their layer does, and what.
MORE = {
    "daemon.h": EVERY_LAYER - {"cli"},
    "daemon.c": EVERY_LAYER - {"cli"} | {"daemon.h"},
    "main.c": EVERY_LAYER | {"daemon.h"},
    "cli/run.c": {"daemon.h"},  # the command that is the daemon
    "cli/doctor_daemon.c": {"front"},  # who holds a port
}
# The client's side of the control socket, which the commands use.
ADMIN_FOR_CLI = re.compile(r"admin/(control_)?client\.h")

# System headers by the folders (or files) that may include them.
PRIVATE_HEADERS = {
    r"nghttp2/": ("http2/", "cli/version.c"),
    r"openssl/": ("http2/", "base/sha256.c", "base/uuid.c", "auth/jwt.c", "cli/version.c", "cli/doctor_network.c"),
    r"microhttpd\.h": ("admin/",),
    r"curl/": ("auth/",),
    r"ini\.h": ("conf/",),
    r"systemd/": ("daemon.c", "admin/service.c", "front/"),
}
# Layers that do no I/O and know no loop.
PURE = ("rpc/", "spark/")
IMPURE_HEADERS = re.compile(r"uv\.h|sys/socket\.h|netinet/|netdb\.h|sys/epoll\.h|pthread\.h|unistd\.h|fcntl\.h")

# Where the bytes of a secret may be taken out of it: where they go onto the wire, and its own implementation.
MAY_REVEAL = ("base/secret.c", "base/secret.h", "auth/credential.c", "auth/basic.c", "auth/form.c", "auth/https.c",
              "auth/jwt.c", "auth/mint_google.c", "admin/metadata_service.c", "cli/guest.c", "cli/doctor_calls.c",
              "relay/local_spark.c")

MAX_FILE_LINES = 900
MAX_FUNCTION_LINES = 100
CLANG_FORMAT_VERSION = "14"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

RULES = {}


def rule(function):
    RULES[function.__name__] = function
    return function


class Skip(Exception):
    pass


def sources(*folders, suffixes=(".c", ".h")):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file() and "__pycache__" not in path.parts:
                yield path


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def place(path, number):
    return f"{path.relative_to(ROOT)}:{number}"


def includes(path):
    for number, line in enumerate(lines(path), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] == "<", match[2]


@rule
def include_direction():
    """an include names its layer, exists, and points down"""
    daemon = ROOT / "daemon"
    for path in sources("daemon"):
        own = path.relative_to(daemon).as_posix()
        layer = own.split("/")[0] if "/" in own else None
        if layer is not None and layer not in LAYERS:
            yield f"{place(path, 1)}: {layer}/ is no layer that this test knows"
            continue
        allowed = LAYERS.get(layer, set()) | MORE.get(own, set()) | ({layer} if layer else set())
        for number, is_system, name in includes(path):
            if is_system:
                continue
            target = name.split("/")[0]
            if layer == "cli" and ADMIN_FOR_CLI.fullmatch(name):
                continue
            if target not in allowed:
                yield f'{place(path, number)}: "{name}" is not for {layer or own} to include'
            elif target != "proto" and not (daemon / name).is_file():
                yield f'{place(path, number)}: there is no daemon/{name}'


@rule
def private_headers():
    """a library is seen only by the layer that wraps it"""
    daemon = ROOT / "daemon"
    for path in sources("daemon"):
        own = path.relative_to(daemon).as_posix()
        for number, is_system, name in includes(path):
            if not is_system:
                continue
            for pattern, allowed in PRIVATE_HEADERS.items():
                if re.match(pattern, name) and not own.startswith(allowed):
                    yield f"{place(path, number)}: <{name}> belongs to {', '.join(allowed)} alone"
            if own.startswith(PURE) and IMPURE_HEADERS.match(name):
                yield f"{place(path, number)}: <{name}> in a layer that does no I/O"


@rule
def secrets_stay_inside():
    """secret_reveal() only where a secret goes onto the wire"""
    for path in sources("daemon"):
        if path.relative_to(ROOT / "daemon").as_posix() in MAY_REVEAL:
            continue
        for number, line in enumerate(lines(path), 1):
            if "secret_reveal(" in line:
                yield f"{place(path, number)}: secret_reveal() is not for this file (MAY_REVEAL in {Path(__file__).name})"


@rule
def file_size():
    """no file of more than 900 lines"""
    for path in sources("daemon", "probe", "tests", suffixes=(".c", ".h", ".py", ".sh")):
        count = len(lines(path))
        if count > MAX_FILE_LINES:
            yield f"{place(path, count)}: {count} lines, more than {MAX_FILE_LINES}"


@rule
def function_length():
    """no C function of more than 100 lines"""
    for path in sources("daemon", "probe", "tests"):
        start = None
        for number, line in enumerate(lines(path), 1):
            if line == "{":
                start = number
            elif line.startswith("}") and start is not None:
                if number - start - 1 > MAX_FUNCTION_LINES:
                    yield f"{place(path, start)}: a function of {number - start - 1} lines, more than {MAX_FUNCTION_LINES}"
                start = None


@rule
def header_guards():
    """each header begins with #pragma once"""
    for path in sources("daemon", "probe", "tests", suffixes=(".h",)):
        if not any(line.strip() == "#pragma once" for line in lines(path)[:5]):
            yield f"{place(path, 1)}: no #pragma once"


@rule
def plain_text():
    """no tabs, no blanks at the end of a line, one line feed at the end of the file"""
    suffixes = (".c", ".h", ".py", ".sh", ".proto")
    for path in sources("daemon", "probe", "tests", "proto", suffixes=suffixes):
        text = path.read_bytes()
        if not text.endswith(b"\n") or text.endswith(b"\n\n"):
            yield f"{place(path, text.count(bytes([10])))}: must end with one line feed"
        for number, line in enumerate(text.split(b"\n"), 1):
            if line != line.rstrip() or b"\t" in line:
                yield f"{place(path, number)}: tab, carriage return or blank at the end"


def find_clang_format():
    for name in (f"clang-format-{CLANG_FORMAT_VERSION}", "clang-format"):
        if shutil.which(name):
            said = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout
            version = re.search(r"version (\d+)", said)
            if version and version[1] == CLANG_FORMAT_VERSION:
                return name
    raise Skip(f"no clang-format of version {CLANG_FORMAT_VERSION} here, and others format differently")


@rule
def clang_format():
    """the code is as clang-format 14 leaves it"""
    program = find_clang_format()
    paths = list(sources("daemon", "probe", "tests"))
    said = subprocess.run([program, "--dry-run", "--ferror-limit=0", *map(str, paths)], cwd=ROOT, capture_output=True, text=True)
    seen = set()
    for line in said.stderr.splitlines():
        match = re.match(r"(.*?):(\d+):\d+: warning:", line)
        if match and match[1] not in seen:
            seen.add(match[1])
            yield f"{place(Path(match[1]), match[2])}: not formatted (tests/lint/lint.py --fix-format)"
    if said.returncode and not seen:
        yield f"{program}: {said.stderr.strip()[:300]}"


@rule
def shell_scripts():
    """shellcheck has nothing to say"""
    if not shutil.which("shellcheck"):
        raise Skip("no shellcheck here")
    paths = [str(path.relative_to(ROOT)) for path in sources("tests", suffixes=(".sh",))] + [".ci/run"]
    said = subprocess.run(["shellcheck", "-x", "-f", "gcc", *paths], cwd=ROOT, capture_output=True, text=True)
    yield from said.stdout.splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(RULES))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--fix-format", action="store_true", help="let clang-format change the files, then end")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"{name}: {function.__doc__}" for name, function in RULES.items()))
        return 0
    if args.fix_format:
        return subprocess.run([find_clang_format(), "-i", *map(str, sources("daemon", "probe", "tests"))], cwd=ROOT).returncode

    passed = failed = skipped = 0
    for name, function in RULES.items():
        if args.only and name not in args.only:
            continue
        try:
            found = list(function())
        except Skip as reason:
            skipped += 1
            print(f"skipped {name}: {reason}")
            continue
        for line in found:
            print(f"   {line}")
        if found:
            failed += 1
            print(f"FAIL {name}: {len(found)} found ({function.__doc__})")
        else:
            passed += 1
            print(f"ok {name}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
