#!/usr/bin/env bash
# h2spec, the HTTP/2 conformance test, against the daemon's listener: h2spec.sh DAEMON RAW-SERVER
# Behind the daemon stands a server that answers any path with some data. Ends with `N passed, N failed, N skipped`.
set -euo pipefail

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
DAEMON=${1:?usage: h2spec.sh DAEMON RAW-SERVER}
RAW_SERVER=${2:?usage: h2spec.sh DAEMON RAW-SERVER}
PROGRAM="$BUILD/go/h2spec"

leave_out() {
    skipped "h2spec: $1"
    print_counts
    exit 0
}

# Its dependencies are pinned in h2spec/go.mod to what the Go of Debian 12 can build.
build_h2spec() {
    [[ ! -x $PROGRAM ]] || return 0
    ensure_packages golang-go=cmd:go 2>"$BUILD/go.log" || leave_out "no Go here to build it with"
    say "   building h2spec"
    (cd "$REPO/tests/e2e/h2spec" &&
        GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build -o "$PROGRAM" github.com/summerwind/h2spec/cmd/h2spec) \
        >"$BUILD/go.log" 2>&1 || leave_out "cannot be built: $(tail -n 1 "$BUILD/go.log" | cut -c 1-200)"
}

mkdir -p "$BUILD"
build_h2spec
make_scratch
start_and_await raw 10 "listening" "$RAW_SERVER" --port 0 --at-headers || die "no server for h2spec"
port=$(awk '/^listening/ { print $2; exit }' "$SCRATCH/raw.out")
write_config "$SCRATCH/daemon" < <(
    say "[profile lab]"
    say "upstream = sc://127.0.0.1:$port"
)
sed -i 's/^profile = .*/profile = lab/' "$CONFIG"
start_daemon daemon "$DAEMON" "$CONFIG" || die "no daemon for h2spec"
# Some of its tests lose a race when the answer comes before their next frame. So the two share one processor, where the
# daemon gives way; and what failed all the same is run again, and fails when it does so each time.
processor=$(taskset -cp $$ | sed -E 's/.*: ([0-9]+).*/\1/')
renice -n 19 -p "$STARTED_PID" >/dev/null
taskset -cp "$processor" "$STARTED_PID" >/dev/null
reports=()
again=()
for run in 1 2 3 4 5 6 7 8; do
    report="$SCRATCH/h2spec-$run.xml"
    # Its exit status says whether anything failed; what may fail is judged below.
    timeout 120 taskset -c "$processor" "$PROGRAM" -h 127.0.0.1 -p "${DAEMON_URL##*:}" -o 2 -j "$report" "${again[@]}" \
        >"$SCRATCH/h2spec.out" 2>&1 || true
    [[ -s $report ]] || { tail -n 5 "$SCRATCH/h2spec.out" >&2 && die "h2spec did not finish"; }
    reports+=("$report")
    if python3 "$REPO/tests/e2e/h2spec_judge.py" "${reports[@]}" >"$SCRATCH/verdict"; then
        break
    fi
    mapfile -t again < <(sed -n -E 's/^FAIL ([a-z0-9]+\/[0-9.]+) .*/\1/p' "$SCRATCH/verdict" | sort -u)
done
cat "$SCRATCH/verdict"
grep -q ', 0 failed' "$SCRATCH/verdict"
