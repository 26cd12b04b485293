#!/usr/bin/env python3
"""Reads the JUnit reports of a whole run of h2spec and of later ones of some sections: `FAIL …` for what failed in all
that have it, `skipped …: why` for what is known to, then the counts."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

FORGETS = "nghttp2 keeps no closed streams for us (memory) and ignores what still comes for one, instead of an error"
FRAME_SIZE = "our SETTINGS_MAX_FRAME_SIZE is larger than the 16 KiB that this test takes for granted"
ANSWERED = "h2spec's requests are no gRPC and are answered (HTTP 415) at once: the stream is over before the test's point"
KNOWN = {
    ("http2/5.1.2", "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded"): ANSWERED,
    ("http2/6.9", "Sends a WINDOW_UPDATE frame with a flow control window increment of 0 on a stream"): ANSWERED,
    ("http2/4.2", "Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE"): FRAME_SIZE,
    # "Half closed" only until the answer has been sent, which can be before the test's next frame.
    ("http2/5.1", "half closed (remote): Sends a DATA frame"): FORGETS,
    ("http2/5.1", "half closed (remote): Sends a HEADERS frame"): FORGETS,
    ("http2/5.1", "closed: Sends a DATA frame after sending RST_STREAM frame"): FORGETS,
    ("http2/5.1", "closed: Sends a HEADERS frame after sending RST_STREAM frame"): FORGETS,
    ("http2/5.1", "closed: Sends a DATA frame"): FORGETS,
    ("http2/5.1", "closed: Sends a HEADERS frame"): FORGETS,
    ("http2/5.1.1", "Sends stream identifier that is numerically smaller than previous"): FORGETS,
    ("http2/8.1.2.1", "Sends a HEADERS frame that contains a pseudo-header field as trailers"): FORGETS,
}
LEAST = 140  # tests that a whole run has


def read_report(path):
    """The problem of each test by its name, None where there is none."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    # h2spec writes the bytes of frames into its report as they are.
    root = ElementTree.fromstring(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "?", text))
    results = {}
    for case in root.iter("testcase"):
        found = [problem for problem in map(case.find, ("failure", "error")) if problem is not None]
        results[case.get("package"), case.get("classname")] = (found[0].text or "no reason given") if found else None
    return results


def main():
    reports = [read_report(path) for path in sys.argv[1:]]
    passed = failed = skipped = 0
    for name, problem in reports[0].items():
        if problem is None or any(report.get(name, problem) is None for report in reports):
            passed += 1
        elif name in KNOWN:
            skipped += 1
            print(f"skipped {' '.join(name)}: {KNOWN[name]}")
        else:
            failed += 1
            print(f"FAIL {' '.join(name)}: {' '.join(problem.split())[:300]}")
    if passed + failed + skipped < LEAST:
        print(f"FAIL h2spec: only {passed + failed + skipped} tests ran")
        failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
