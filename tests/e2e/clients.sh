#!/usr/bin/env bash
# A smoke run of each line of PySpark clients through the daemon: clients.sh sc://localhost:PORT[/;x-profile=…]
# One virtual environment each below build/venvs. Ends with `N passed, N failed, N skipped`.
set -euo pipefail

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
URL=${1:?usage: clients.sh sc://…}

# shellcheck source=tests/e2e/client_versions.sh
source "$REPO/tests/e2e/client_versions.sh"

# cannot_install LOG: why pip could not, when that is the package's doing and not the network's; else nothing.
cannot_install() {
    if grep -q -i -E 'connection|timed out|temporary failure|max retries|ssl' "$1"; then
        return 0
    fi
    { grep -m 1 -E '^ERROR: (No matching|Package|Failed|Ignored|Cannot install)|Requires-Python' "$1" || tail -n 1 "$1"; } |
        cut -c 1-200
}

run_client() {
    local name=$1 dir="$BUILD/venvs/$1" started output reason
    shift
    mkdir -p "$BUILD/venvs"
    if ! ensure_venv "$dir" "$@" 2>/dev/null; then
        reason=$(cannot_install "$dir/install.log")
        if [[ -n $reason ]]; then
            skipped "$name: $reason"
        else
            failed "$name: could not be installed: $(tail -n 1 "$dir/install.log")"
        fi
        return
    fi
    started=$(now)
    if output=$(timeout 120 "$dir/bin/python" "$REPO/tests/e2e/smoke.py" "$URL" 2>"$BUILD/venvs/$name.err"); then
        ok "$name ($(sed -E 's/.*"client": "([^"]*)".*/\1/' <<<"$output"), $(seconds_since "$started") s)"
    else
        failed "$name: $(tail -n 1 "$BUILD/venvs/$name.err")"
    fi
}

ensure_packages "${PYTHON_PACKAGES[@]}" || die "no Python to test with"
for client in "${CLIENTS[@]}"; do
    read -r -a words <<<"$client"
    run_client "${words[@]}"
done
print_counts
[[ $FAILED -eq 0 ]]
