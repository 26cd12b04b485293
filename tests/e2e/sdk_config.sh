#!/usr/bin/env bash
# What the daemon resolves against the SDK's own Config: sdk_config.sh DAEMON [ARGUMENT of sdk_config.py...]
# Ends with `N passed, N failed, N skipped`.
set -euo pipefail

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
DAEMON=${1:?usage: sdk_config.sh DAEMON [ARGUMENT...]}
shift
# The version that the named differences were found with.

mkdir -p "$BUILD"
if ! ensure_packages "${PYTHON_PACKAGES[@]}" openssl=cmd:openssl || ! ensure_venv "$BUILD/venvs/sdk" "${SDK_REQUIREMENTS[@]}"; then
    skipped "sdk: no databricks-sdk here"
    print_counts
    exit 0
fi
exec "$BUILD/venvs/sdk/bin/python" "$REPO/tests/e2e/sdk_config.py" --daemon "$DAEMON" "$@"
