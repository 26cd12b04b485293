"""What the benchmark ran on."""

import os
import platform
import time
from pathlib import Path

from processes import output_of


def _value(path, key):
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "?"


def facts():
    release = {}
    try:
        for line in Path("/etc/os-release").read_text().splitlines():
            key, _, value = line.partition("=")
            release[key] = value.strip('"')
    except OSError:
        pass
    memory = _value("/proc/meminfo", "MemTotal").split()[0]
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{len(os.sched_getaffinity(0))} cores {_value('/proc/cpuinfo', 'model name')}, "
                   f"{int(memory) / 1048576 if memory.isdigit() else 0:.0f} GiB",
        "system": f"{release.get('PRETTY_NAME', '?')}, Linux {platform.release()}",
        "OpenSSL": output_of("openssl", "version"),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }
