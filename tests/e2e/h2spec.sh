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
# Its exit status says whether anything failed; what may fail is judged below. Some of its tests lose a race when the
# answer comes before their next frame, so what fails must fail each of three times.
reports=()
for run in 1 2 3; do
    report="$SCRATCH/h2spec-$run.xml"
    timeout 120 "$PROGRAM" -h 127.0.0.1 -p "${DAEMON_URL##*:}" -o 2 -j "$report" >"$SCRATCH/h2spec.out" 2>&1 || true
    [[ -s $report ]] || { tail -n 5 "$SCRATCH/h2spec.out" >&2 && die "h2spec did not finish"; }
    reports+=("$report")
    if python3 "$REPO/tests/e2e/h2spec_judge.py" "${reports[@]}" >"$SCRATCH/verdict"; then
        break
    fi
done
cat "$SCRATCH/verdict"
grep -q ', 0 failed' "$SCRATCH/verdict"
