#!/usr/bin/env bash
# Ring 3: stock PySpark through the daemon to real Spark Connect servers, each case compared with the direct run.
#
#   tests/e2e/e2e.sh --daemon build/release/sparkbouncer [--only program|matrix|named|helper|clients|abstract] [--case NAME]
#
# Starts two servers with different tokens and the daemon; ends with `N passed, N failed, N skipped`.
set -euo pipefail

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
DAEMON="$BUILD/release/sparkbouncer"
ONLY=""
CASES=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --daemon) DAEMON=${2:?} && shift 2 ;;
        --only) ONLY=${2:?} && shift 2 ;;
        --case) CASES+=(--only "${2:?}") && shift 2 ;;
        *) die "unknown argument $1" ;;
    esac
done
E2E="$REPO/tests/e2e"
PYTHON="$BUILD/venv/bin/python"
wanted() { [[ -z $ONLY || $ONLY == "$1" ]]; }

# add_counts NAME FILE: the counts of a part that ended with the plain line; without one it failed as a whole.
add_counts() {
    local passed failed skipped
    if read -r passed failed skipped < <(sed -n -E 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$2" | tail -n 1); then
        PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
    else
        failed "$1 ended without its counts"
    fi
}
# show: what a part says, less its own counts (ours are the sum).
show() { tee "$1" | grep --line-buffered -v -E '^[0-9]+ passed, [0-9]+ failed' || true; }

one_program() {
    SPARK_REMOTE=$2 "$PYTHON" "$E2E/entity_matching.py" >"$SCRATCH/$1.json" 2>"$SCRATCH/$1.err" || return 1
    echo 0 >"$SCRATCH/$1.wall"
}
entity_matching() {
    local started name
    started=$(now)
    for name in proxied direct; do
        if ! one_program "$name" "$([[ $name == direct ]] && echo "$DIRECT" || echo "$PROXIED")"; then
            failed "entity_matching: $name: $(tail -n 1 "$SCRATCH/$name.err")"
            return
        fi
    done
    if "$PYTHON" "$E2E/compare_runs.py" --left-name proxied --right-name direct --left "$SCRATCH/proxied" \
        --right "$SCRATCH/direct" >"$SCRATCH/compare.out" 2>&1; then
        ok "entity_matching ($(seconds_since "$started") s)"
    else
        failed "entity_matching: $(tail -n 1 "$SCRATCH/compare.out")"
    fi
    if one_program refused "${DIRECT%%/;*}"; then
        failed "refused_without_token: the server let the program in"
    elif grep -q "No authentication token" "$SCRATCH/refused.err"; then
        ok "refused_without_token"
    else
        failed "refused_without_token: $(tail -n 1 "$SCRATCH/refused.err")"
    fi
}

step "PySpark and Java"
ensure_pyspark || die "no PySpark to test with"
ensure_server spark || die "no Java to run the server with"
make_scratch

step "two Spark Connect servers, one daemon"
TOKEN=$(new_token)
SECOND_TOKEN=$(new_token)
start_server first spark 2g "$TOKEN" || exit 1
DIRECT="$SERVER_URL/;token=$TOKEN"
start_server second spark 1g "$SECOND_TOKEN" || exit 1
SECOND_DIRECT="$SERVER_URL/;token=$SECOND_TOKEN"
# A number no other run has: PySpark takes what follows the colon for a port.
ABSTRACT=$((20000 + $$ % 40000))
write_config "$SCRATCH/daemon" < <(
    say
    say "[profile dev]"
    say "upstream = ${DIRECT%%/;*}"
    say "token = $TOKEN"
    say
    say "[profile second]"
    say "upstream = ${SECOND_DIRECT%%/;*}"
    say "token = $SECOND_TOKEN"
    say
    say "[profile here]"
    say "upstream = local"
    say
    say "[profile gone]"
    say "upstream = sc://127.0.0.1:1"
    say "fallback = local"
    say "connect_timeout = 1s"
)
[[ $(uname) != Linux ]] || sed -i "s/^listen = .*/&, abstract:$ABSTRACT/" "$CONFIG"
PYSPARK_PYTHON=$PYTHON JAVA_HOME=$(find_java 17) start_daemon daemon "$DAEMON" "$CONFIG" || exit 1
PROXIED="$DAEMON_URL/;x-profile=dev"
export MATRIX_DIRECT=$DIRECT MATRIX_SECOND_DIRECT=$SECOND_DIRECT MATRIX_PROXIED=$PROXIED
export MATRIX_SECOND_PROXIED="$DAEMON_URL/;x-profile=second"

if wanted program; then
    step "the entity-matching program"
    entity_matching
fi
if wanted matrix; then
    step "what PySpark does, direct and through the daemon"
    "$PYTHON" "$E2E/matrix.py" "${CASES[@]}" 2>"$SCRATCH/matrix.err" | show "$SCRATCH/matrix.out"
    add_counts matrix "$SCRATCH/matrix.out"
fi
if wanted named; then
    step "processes that share a named session"
    "$PYTHON" "$E2E/named_sessions.py" "$PROXIED" 2>"$SCRATCH/named.err" | show "$SCRATCH/named.out"
    add_counts named "$SCRATCH/named.out"
fi
if wanted abstract && [[ $(uname) == Linux ]]; then
    step "the same through an abstract socket"
    MATRIX_PROXIED="sc://unix-abstract:$ABSTRACT/;x-profile=dev" "$PYTHON" "$E2E/matrix.py" --only collect \
        --only create_dataframe 2>>"$SCRATCH/matrix.err" | sed -u -E 's/^(ok|FAIL|skipped) /&abstract_/' | show "$SCRATCH/abstract.out"
    add_counts abstract "$SCRATCH/abstract.out"
fi
if wanted helper; then
    step "exec, and the helper for Python projects"
    # With a proxy that must not be used.
    if http_proxy=http://127.0.0.1:9 timeout 60 "$DAEMON" exec --config "$CONFIG" -p dev -- "$PYTHON" "$E2E/helper.py" second \
        >"$SCRATCH/helper.out" 2>&1; then
        ok "exec_and_helper"
    else
        failed "exec_and_helper: $(tail -n 1 "$SCRATCH/helper.out")"
    fi
fi
if wanted local; then
    step "a local Spark server, found by its Python, for a profile without another and for one that is not there"
    for name in here gone; do
        if timeout 240 "$PYTHON" "$E2E/local_session.py" "$DAEMON_URL/;x-profile=$name" >"$SCRATCH/local.out" 2>&1; then
            ok "local_$name"
        else
            failed "local_$name: $(tail -n 1 "$SCRATCH/local.out"); $(grep 'ocal Spark' "$SCRATCH/daemon.err" | tail -n 1)"
        fi
    done
    if [[ $(grep -c 'starting a local Spark server' "$SCRATCH/daemon.err") -eq 1 ]]; then
        ok "local_is_shared"
    else
        failed "local_is_shared: $(grep 'ocal Spark' "$SCRATCH/daemon.err" | tail -n 1)"
    fi
fi
if wanted clients; then
    step "other versions of the client"
    "$E2E/clients.sh" "$PROXIED" | show "$SCRATCH/clients.out"
    add_counts clients "$SCRATCH/clients.out"
fi
step_done

pid=${STARTED_PIDS[-1]}
unset 'STARTED_PIDS[-1]'
if stop_one "$pid"; then
    ok "the daemon ended by itself, with code 0"
else
    failed "the daemon ended with code $?: $(tail -n 3 "$SCRATCH/daemon.err")"
fi
print_counts
[[ $FAILED -eq 0 ]]
