#!/usr/bin/env bash
# Ring 3 over a line that fails: stock PySpark, the daemon, a relay that cuts, a real Spark Connect server.
#
#   tests/e2e/faults.sh --daemon build/release/sparkbouncer --programs build/test [--long] [--only CASE] [--direct]
#
# --long: 20 million rows and the clients 4.3, 4.0 and 3.5; else 2 million and 4.3. --direct: without the daemon, on what
# the clients do by themselves. Ends with `N passed, N failed, N skipped`.
set -euo pipefail

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/e2e/client_versions.sh
source "$REPO/tests/e2e/client_versions.sh"
DAEMON="$BUILD/release/sparkbouncer"
PROGRAMS="$BUILD/test"
LONG=no
ARGUMENTS=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --daemon) DAEMON=${2:?} && shift 2 ;;
        --programs) PROGRAMS=${2:?} && shift 2 ;;
        --long) LONG=yes && shift ;;
        --only) ARGUMENTS+=(--only "${2:?}") && shift 2 ;;
        --direct) ARGUMENTS+=(--direct) && shift ;;
        *) die "unknown argument $1" ;;
    esac
done

ensure_pyspark || die "no PySpark to test with"
ensure_server spark || die "no Java to run the server with"
make_scratch
ROWS=2000000
[[ $LONG == no ]] || ROWS=20000000
ARGUMENTS+=(--client "4.3=$BUILD/venv/bin/python" --rows "$ROWS")
if [[ $LONG == yes ]]; then
    for client in "${CLIENTS[@]}"; do
        read -r -a words <<<"$client"
        case ${words[0]} in *-4.0 | *-3.5) ;; *) continue ;; esac
        if ensure_venv "$BUILD/venvs/${words[0]}" "${words[@]:1}"; then
            ARGUMENTS+=(--client "${words[0]##*-}=$BUILD/venvs/${words[0]}/bin/python")
        else
            failed "${words[0]}: could not be installed"
        fi
    done
fi

TOKEN=$(new_token)
start_server faults spark 3g "$TOKEN" || exit 1
SPARKBOUNCER_TEST_TOKEN=$TOKEN "$BUILD/venv/bin/python" "$REPO/tests/e2e/faults.py" --server "${SERVER_URL##*:}" \
    --daemon "$DAEMON" --programs "$PROGRAMS" "${ARGUMENTS[@]}" 2>&1 | tee "$SCRATCH/faults.out" |
    grep --line-buffered -v -E '^[0-9]+ passed, ' || true
if read -r passed failed < <(sed -n -E 's/^([0-9]+) passed, ([0-9]+) failed, .*/\1 \2/p' "$SCRATCH/faults.out"); then
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
else
    failed "the cases ended without their counts"
fi
print_counts
[[ $FAILED -eq 0 ]]
