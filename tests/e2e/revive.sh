#!/usr/bin/env bash
# Ring 3: a real Spark Connect server is restarted between two calls of stock PySpark.
#
#   tests/e2e/revive.sh --daemon build/release/sparkbouncer
#
# By default the client gets the server's error with a sentence of what is lost; with revive = yes it has its
# settings and views back. Ends with `N passed, N failed, N skipped`.
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
"$BUILD/venv/bin/python" "$REPO/tests/e2e/revive.py" --daemon "$DAEMON" --scratch "$SCRATCH"
