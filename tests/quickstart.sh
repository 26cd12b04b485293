#!/usr/bin/env bash
# From a fresh machine to an unmodified PySpark program that works through sparkbouncer, in one command.
#
#   tests/quickstart.sh                    a real, token-protected Spark Connect server of our own (needs Java; installed if missing)
#   tests/quickstart.sh --server sail      pysail as the server: no Java, but no token check either
#   tests/quickstart.sh --upstream sc://…  your own server, with its token in the URL (or the URL in SPARKBOUNCER_UPSTREAM,
#                                          so that the token is in no process list)
#
# Asks nothing, can be run again, and leaves nothing behind but build/.
set -euo pipefail

UPSTREAM=${SPARKBOUNCER_UPSTREAM:-}
# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SERVER=spark
ROWS=10000
BIG=1000000
while [[ $# -gt 0 ]]; do
    case $1 in
        --server) SERVER=${2:?--server needs spark or sail} && shift 2 ;;
        --upstream) UPSTREAM=${2:?--upstream needs an sc:// address} && shift 2 ;;
        --rows) ROWS=${2:?} && shift 2 ;;
        --big) BIG=${2:?} && shift 2 ;;
        -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit 0 ;;
        *) die "unknown argument $1 (see --help)" ;;
    esac
done
[[ $SERVER == spark || $SERVER == sail ]] || die "--server is spark or sail, not $SERVER"
[[ -z $UPSTREAM || $UPSTREAM == sc://* ]] || die "--upstream must start with sc://"
[[ -z $UPSTREAM ]] || SERVER=upstream
PYTHON="$BUILD/venv/bin/python"
[[ $SERVER != sail ]] || PYTHON="$BUILD/venv-sail/bin/python"
STARTED=$(now)

# run_program NAME URL: the program against URL, its JSON into $SCRATCH/NAME.json, what it printed besides into NAME.err.
run_program() {
    local started
    started=$(now)
    SPARK_REMOTE=$2 "$PYTHON" "$REPO/tests/e2e/entity_matching.py" --rows "$ROWS" --big "$BIG" \
        >"$SCRATCH/$1.json" 2>"$SCRATCH/$1.err" || return 1
    seconds_since "$started" >"$SCRATCH/$1.wall"
}
must_run() {
    if ! run_program "$@"; then
        tail -n 15 "$SCRATCH/$1.err" >&2
        [[ ! -s $SCRATCH/daemon.err ]] || { say "the daemon said:" && tail -n 15 "$SCRATCH/daemon.err"; } >&2
        die "the program failed ($1)"
    fi
    say "   $1: $(<"$SCRATCH/$1.wall") s, results as computed in plain Python"
}

make_scratch

step "1/5 install what is missing, build the daemon"
ensure_packages "${DAEMON_PACKAGES[@]}" || die "cannot build without these packages"
[[ $SERVER == sail ]] || ensure_pyspark || die "no PySpark to test with"
[[ $SERVER == upstream ]] || ensure_server "$SERVER" || die "no server to test with (--server sail needs no Java)"
build_preset release || exit 1
say "   built ${BUILD#"$REPO/"}/release/sparkbouncer"

step "2/5 start the server"
TOKEN=$(new_token)
case $SERVER in
    upstream)
        DIRECT=$UPSTREAM
        WITHOUT_TOKEN=""
        [[ $UPSTREAM != *token=* ]] || WITHOUT_TOKEN=$(sed -E 's/;?token=[^;]*//; s#/;?$#/#; s#/;+#/;#' <<<"$UPSTREAM")
        say "   yours: ${UPSTREAM%%;*}"
        ;;
    spark)
        start_server server spark 2g "$TOKEN" || exit 1
        DIRECT="$SERVER_URL/;token=$TOKEN"
        WITHOUT_TOKEN=$SERVER_URL
        say "   Spark Connect $PYSPARK_VERSION at $SERVER_URL, asks for a token"
        ;;
    sail)
        start_server server sail 2g "" || exit 1
        DIRECT=$SERVER_URL
        WITHOUT_TOKEN=""
        say "   ${PYSAIL_REQUIREMENTS[0]} at $SERVER_URL, checks no token"
        ;;
esac

step "3/5 write profiles and a configuration, start the daemon"
write_config "$SCRATCH/daemon" < <(
    say
    say "[profile dev]"
    if [[ $SERVER == upstream ]]; then
        say "upstream = $UPSTREAM"
    else
        say "upstream = $SERVER_URL"
        say "token = $TOKEN"
    fi
)
start_daemon daemon "$BUILD/release/sparkbouncer" "$CONFIG" || exit 1
PROXIED="$DAEMON_URL/;x-profile=dev"
say "   the daemon listens; a program uses $PROXIED"

step "4/5 entity matching: $ROWS names, a million-row toPandas(), through the daemon and direct"
say "   the first run warms the server up and is not counted"
must_run "warm-up, through the daemon" "$PROXIED"
must_run "daemon 1" "$PROXIED"
must_run "direct 1" "$DIRECT"
must_run "direct 2" "$DIRECT"
must_run "daemon 2" "$PROXIED"
"$PYTHON" "$REPO/tests/e2e/compare_runs.py" --left-name "through the daemon" --right-name direct \
    --left "$SCRATCH/daemon 1" "$SCRATCH/daemon 2" --right "$SCRATCH/direct 1" "$SCRATCH/direct 2" \
    || die "the results differ"

step "5/5 the same program, direct and without the token"
if [[ -z $WITHOUT_TOKEN ]]; then
    say "   left out: this server asks for no token that we know of"
elif run_program refused "$WITHOUT_TOKEN"; then
    die "the server let the program in without a token"
elif grep -q -E 'UNAUTHENTICATED|PERMISSION_DENIED|authentication token' "$SCRATCH/refused.err"; then
    say "   refused, as it should be: $(grep -m 1 -o -E 'details = ".*"' "$SCRATCH/refused.err" || true)"
else
    tail -n 15 "$SCRATCH/refused.err" >&2
    die "the program failed, but not for want of a token"
fi
step_done
say
say "all of it works; total $(seconds_since "$STARTED") s"
