#!/usr/bin/env bash
# Ring 3: stock PySpark pauses in the middle of its results for longer than a real Spark Connect server's patience.
#
#   tests/e2e/pause.sh --daemon build/release/sparkbouncer
#
# Without reattach_period the server gives the query up; with it the client gets every row. Spark's two and five minutes
# are three and ten seconds here. Ends with `N passed, N failed, N skipped`.
set -euo pipefail

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
DAEMON="$BUILD/release/sparkbouncer"
while [[ $# -gt 0 ]]; do
    case $1 in
        --daemon) DAEMON=${2:?} && shift 2 ;;
        *) die "unknown argument $1" ;;
    esac
done

step "PySpark and Java"
ensure_pyspark || die "no PySpark to test with"
ensure_server spark || die "no Java to run the server with"
make_scratch
"$BUILD/venv/bin/python" "$REPO/tests/e2e/pause.py" --daemon "$DAEMON" --scratch "$SCRATCH"
