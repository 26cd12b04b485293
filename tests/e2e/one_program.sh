#!/usr/bin/env bash
# Ring 3: one of the programs here that start a real Spark Connect server and the daemon themselves.
#
#   tests/e2e/one_program.sh revive|pause [--daemon build/release/sparkbouncer]
#
# What each shows stands at its beginning. Ends with `N passed, N failed, N skipped`.
set -euo pipefail

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
PROGRAM="$REPO/tests/e2e/${1:?usage: one_program.sh revive|pause [--daemon PATH]}.py"
shift
DAEMON="$BUILD/release/sparkbouncer"
while [[ $# -gt 0 ]]; do
    case $1 in
        --daemon) DAEMON=${2:?} && shift 2 ;;
        *) die "unknown argument $1" ;;
    esac
done
[[ -f $PROGRAM ]] || die "there is no $PROGRAM"

step "PySpark and Java"
ensure_pyspark || die "no PySpark to test with"
ensure_server spark || die "no Java to run the server with"
make_scratch
"$BUILD/venv/bin/python" "$PROGRAM" --daemon "$DAEMON" --scratch "$SCRATCH"
