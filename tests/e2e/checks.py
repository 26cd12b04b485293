"""What the programs of one_program.sh share: they start a server and the daemon, check this and that, and count."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

counts = [0, 0]  # passed, failed


def start(argv, wanted, log, **keywords):
    """-> the process and what it said after `wanted`."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=open(log, "a"), text=True, **keywords)
    for line in process.stdout:
        if line.startswith(wanted):
            return process, line.split(wanted, 1)[1].strip()
    sys.exit(f"{argv[0]} did not start; see {log}")


def start_daemon(path, scratch, config):
    """-> the process and its port; `config` goes on after the first lines of [sparkbouncer]."""
    file = scratch / "config.ini"
    file.write_text(f"[sparkbouncer]\nlisten = 127.0.0.1:0\n{config}")
    file.chmod(0o600)
    env = {"HOME": str(scratch), "XDG_RUNTIME_DIR": str(scratch), "PATH": os.environ["PATH"]}
    return start([path, "run", "--config", str(file)], "listening sc://localhost:", scratch / "daemon.err", env=env)


def run(name, check):
    try:
        check()
    except Exception as error:  # whatever it is, the others go on
        counts[1] += 1
        print(f"FAIL {name}: {type(error).__name__}: {' | '.join(str(error).splitlines())}", flush=True)
    else:
        counts[0] += 1
        print(f"ok {name}", flush=True)


def main(body, description):
    """`body` gets the path of the daemon and a scratch folder."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--daemon", required=True)
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()
    body(arguments.daemon, Path(arguments.scratch))
    print(f"{counts[0]} passed, {counts[1]} failed, 0 skipped", flush=True)
    os._exit(1 if counts[1] else 0)  # PySpark's sessions would wait for a server that is gone
