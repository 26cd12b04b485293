#!/usr/bin/env bash
# All tests, in one command, from a clean checkout; installs what is missing.
#
#   tests/run.sh                all of it
#   tests/run.sh --quick        without the real Spark servers
#   tests/run.sh --only PART    one of: build lint unit ring sdk workspace scenario h2spec e2e faults revive pause (can be given
#                               more than once)
#
# Ends with one plain line `N passed, N failed, N skipped`; the exit code is 0 only when nothing failed.
set -euo pipefail

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PARTS=(build lint unit ring sdk workspace scenario h2spec e2e faults revive pause)
WANTED=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --quick) WANTED+=(build lint unit ring sdk workspace h2spec) && shift ;;
        --only) WANTED+=("${2:?--only needs one of: ${PARTS[*]}}") && shift 2 ;;
        -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit 0 ;;
        *) die "unknown argument $1 (see --help)" ;;
    esac
done
[[ ${#WANTED[@]} -gt 0 ]] || WANTED=("${PARTS[@]}")
for part in "${WANTED[@]}"; do
    [[ " ${PARTS[*]} " == *" $part "* ]] || die "there is no part $part; there are: ${PARTS[*]}"
done
wanted() { [[ " ${WANTED[*]} " == *" $1 "* ]]; }

LOGS="$BUILD/test-logs"
STARTED=$(now)
RELEASE="$BUILD/release/sparkbouncer"
ASAN="$BUILD/asan/sparkbouncer"
# Where the programs of the fake ring come from: they need no sanitizer of their own.
PROGRAMS="$BUILD/test"
SUMMARY=()
RUNNING=""
stop_running() {
    [[ -z $RUNNING ]] || { kill -TERM "$RUNNING" && wait "$RUNNING"; } || true
    exit "$1"
}
trap 'stop_running 130' INT
trap 'stop_running 143' TERM HUP

# run_part NAME SECONDS CMD...: runs it, adds up the plain line that it ends with. Without such a line, or with an exit
# code that does not go with it, the part failed.
run_part() {
    local name=$1 limit=$2 log="$LOGS/$1.log" status=0 counts passed=0 failed=0 skipped=0 started shown
    shift 2
    started=$(now)
    say "== $name"
    mkfifo "$log.fifo"
    tee "$log" <"$log.fifo" | grep --line-buffered -v -E '^[0-9]+ passed, [0-9]+ failed' &
    shown=$!
    # In the background, so that the trap below can end it: timeout gives it a process group of its own.
    timeout --kill-after=20 "$limit" "$@" >"$log.fifo" 2>&1 </dev/null &
    RUNNING=$!
    wait "$RUNNING" || status=$?
    RUNNING=""
    # Something that was left behind may hold the pipe open for ever.
    timeout 10 tail --pid="$shown" -f /dev/null || kill "$shown" || true
    rm -f "$log.fifo"
    counts=$(sed -n -E 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$log" | tail -n 1)
    read -r passed failed skipped <<<"${counts:-0 0 0}"
    if [[ $status -eq 124 || $status -eq 137 ]]; then
        say "FAIL $name: no end within $limit s"
        failed=$((failed + 1))
    elif [[ -z $counts || ($status -ne 0 && $failed -eq 0) ]]; then
        say "FAIL $name: ended with code $status and $([[ -n $counts ]] && echo 'counts that say otherwise' || echo 'no counts')"
        failed=$((failed + 1))
    fi
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
    SUMMARY+=("$(printf '%-18s %5d passed %4d failed %4d skipped %8s s' "$name" "$passed" "$failed" "$skipped" \
        "$(seconds_since "$started")")")
}

build_all() {
    local preset started
    for preset in release test asan clang; do
        started=$(now)
        if build_preset "$preset"; then
            ok "build $preset ($(seconds_since "$started") s)"
        else
            failed "build $preset"
        fi
    done
    print_counts
    [[ $FAILED -eq 0 ]]
}

# ctest's own closing line, turned into ours.
unit_tests() {
    local preset=$1 out="$LOGS/ctest-$1.log" total failed_tests
    ctest --test-dir "$BUILD/$preset" --output-on-failure --timeout 120 -j 2 >"$out" 2>&1 || true
    sed -n -E '/\*\*\*(Failed|Exception|Timeout|Not Run)/p; /: (Assertion|Failure|ERROR|runtime error)|SUMMARY: /p' "$out" | head -n 60
    total=$(sed -n -E 's/^[0-9]+% tests passed, [0-9]+ tests failed out of ([0-9]+)$/\1/p' "$out" | tail -n 1)
    failed_tests=$(sed -n -E 's/^[0-9]+% tests passed, ([0-9]+) tests failed out of .*/\1/p' "$out" | tail -n 1)
    if [[ -z $total ]]; then
        tail -n 5 "$out"
        failed "unit tests of preset $preset did not run"
    else
        PASSED=$((total - failed_tests)) FAILED=$failed_tests
        say "$PASSED of $total test programs of preset $preset are well"
    fi
    print_counts
    [[ $FAILED -eq 0 ]]
}

# Functions of this file, run in a process of their own like every other part.
if [[ ${RUN_TESTS_PART:-} != "" ]]; then
    mkdir -p "$LOGS"
    $RUN_TESTS_PART
    exit
fi
own_part() {
    local name=$1 limit=$2
    shift 2
    run_part "$name" "$limit" env RUN_TESTS_PART="$*" "$REPO/tests/run.sh"
}

# Memory is bounded in the ring's tests: AddressSanitizer may not keep all that was freed (256 MB otherwise).
export ASAN_OPTIONS=quarantine_size_mb=4:${ASAN_OPTIONS:-} UBSAN_OPTIONS=print_stacktrace=1

cd "$REPO"
rm -rf "$LOGS"
mkdir -p "$LOGS"
step "install what is missing"
ensure_packages "${DAEMON_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${PYTHON_PACKAGES[@]}" || die "cannot build without these packages"
# Without them only their own part is skipped, which then says so.
ensure_packages clang-format-14=cmd:clang-format-14 shellcheck=cmd:shellcheck || true
if wanted ring || wanted workspace || wanted scenario || wanted e2e || wanted faults; then
    ensure_pyspark || die "no PySpark to test with"
fi
if wanted workspace || wanted scenario; then
    # What cannot be installed is skipped, and named.
    ensure_venv "$BUILD/venvs/envoy" "${ENVOY_REQUIREMENTS[@]}" || true
fi
if wanted ring || wanted workspace || wanted scenario; then
    ensure_venv "$BUILD/venvs/sdk" "${SDK_REQUIREMENTS[@]}" || true # its cases are skipped then, and say so
fi
step_done

if wanted build; then
    own_part build 900 build_all
fi
if wanted lint; then
    run_part lint 120 tests/lint/lint.py
fi
if wanted unit; then
    own_part unit 300 unit_tests test
    own_part unit-asan 300 unit_tests asan
fi
if wanted ring; then
    # The ring's own clients and servers are the same in both; only the daemon differs.
    for kind in release asan; do
        daemon=$RELEASE
        [[ $kind == release ]] || daemon=$ASAN
        run_part "ring-$kind" 600 "$BUILD/venv/bin/python" tests/fake/ring.py --build "$PROGRAMS" --daemon "$daemon"
        run_part "attack-$kind" 300 "$BUILD/venv/bin/python" tests/fake/attack.py --build "$PROGRAMS" --daemon "$daemon"
    done
fi
if wanted sdk; then
    run_part sdk 420 tests/e2e/sdk_config.sh "$RELEASE"
fi
if wanted workspace; then
    run_part workspace 240 "$BUILD/venv/bin/python" tests/fake/workspace/test_workspace.py --build "$PROGRAMS" \
        --sdk "$BUILD/venvs/sdk/bin/python"
fi
if wanted scenario; then
    run_part scenario 420 "$BUILD/venv/bin/python" tests/fake/workspace/scenario.py --build "$PROGRAMS" --daemon "$RELEASE"
fi
if wanted h2spec; then
    run_part h2spec 420 tests/e2e/h2spec.sh "$RELEASE" "$PROGRAMS/tests/fake/raw-server"
fi
if wanted e2e; then
    run_part e2e 900 tests/e2e/e2e.sh --daemon "$RELEASE"
fi
if wanted faults; then
    run_part faults 600 tests/e2e/faults.sh --daemon "$RELEASE" --programs "$PROGRAMS"
fi
if wanted revive; then
    run_part revive 600 tests/e2e/one_program.sh revive --daemon "$RELEASE"
fi
if wanted pause; then
    run_part pause 600 tests/e2e/one_program.sh pause --daemon "$RELEASE"
fi

say
printf '%s\n' "${SUMMARY[@]}"
say "total $(seconds_since "$STARTED") s; all that was said: ${LOGS#"$REPO/"}/"
print_counts
[[ $FAILED -eq 0 ]]
