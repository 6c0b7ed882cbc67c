# Shared by script/run, script/test and .ci/run: where things are, how steps are shown, and how
# what is missing on a fresh Debian or Ubuntu machine is installed. Sourced, never run.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RUST_MIN=1.95
# Everything the scripts make, apart from cargo's own folder: KILN_CACHE, or .kiln here.
STATE=$(realpath -m "${KILN_CACHE:-$ROOT/.kiln}")
if [ -n "${KILN_CACHE:-}" ]; then TARGET=$STATE/target; else TARGET=$ROOT/target; fi
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-$TARGET}")
export CARGO_TARGET_DIR=$TARGET
mkdir -p "$STATE"
# What runs in the background ignores Ctrl-C, as POSIX has it: end it with the script.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

# ---- showing what happens ------------------------------------------------------------------

if [ -t 2 ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD='' PLAIN=''; fi
say() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }
detail() { printf '    %s\n' "$*" >&2; }
fail() {
    printf '%serror:%s %s\n' "$BOLD" "$PLAIN" "$*" >&2
    exit 1
}

# step "title" command...   shows the title, lets the command speak, then says how long it took.
step() {
    local title=$1 start=$SECONDS status=0
    shift
    say "$title"
    "$@" || status=$?
    if [ "$status" -eq 0 ]; then detail "done in $((SECONDS - start)) s"; fi
    return "$status"
}

# quietly command...   keeps the output in a file; a line now and then shows that it goes on.
quietly() {
    local log=$STATE/step.log start=$SECONDS status=0 pid
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        if [ $((SECONDS - start)) -ge 10 ] && [ $(((SECONDS - start) % 10)) -eq 0 ]; then
            detail "… $((SECONDS - start)) s: $(tail -n 1 "$log" | tr -d '\r' | cut -c 1-100)"
            sleep 1
        fi
    done
    wait "$pid" || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 30 "$log" >&2
        detail "failed with status $status: $*"
    fi
    return "$status"
}

# ---- being root ----------------------------------------------------------------------------

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Asks for the password once, in front, because what runs in the background cannot.
need_root() {
    [ "$(id -u)" -eq 0 ] && return
    command -v sudo >/dev/null || fail "this needs root: run it as root, or install sudo"
    sudo -v || fail "sudo was refused: $1"
}

# ---- system packages -----------------------------------------------------------------------

# install_packages package...   by apt, reading the package lists first when there are none.
install_packages() {
    command -v apt-get >/dev/null ||
        fail "please install what these Debian packages hold, then run this again: $*"
    need_root "installing $*"
    local install=(as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
    if ! apt-cache show "$1" >/dev/null 2>&1; then
        step "reading the package lists" quietly as_root apt-get update || return 1
    fi
    step "installing $*" quietly "${install[@]}" && return
    # Old lists name package files that the mirror no longer has.
    step "reading the package lists again" quietly as_root apt-get update
    step "installing $*" quietly "${install[@]}" ||
        fail "apt could not install $*: the lines above say why"
}

# install_tools run|test   compiler, Python and Node; says so when everything is there.
install_tools() {
    local missing=() version python
    command -v cc >/dev/null || missing+=(build-essential)
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    command -v python3 >/dev/null || missing+=(python3)
    read -r version python < <(find_pythons) || true
    [ -n "$version" ] || missing+=(python3-pip)
    if [ "$1" = test ]; then
        # The custom runtime of examples/shell speaks HTTP with it.
        command -v curl >/dev/null || missing+=(curl)
        # Servers without root are given their subordinate ids by it.
        command -v newuidmap >/dev/null || missing+=(uidmap)
        # Receivers verify by it what topics post.
        command -v openssl >/dev/null || missing+=(openssl)
        "${python:-python3}" -c 'import venv, ensurepip' >/dev/null 2>&1 || missing+=(python3-venv)
        # The tests start servers of their own of it.
        compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
        # The servers alone: these packages start nothing.
        [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server-core)
        [ -x /usr/bin/redis-check-rdb ] || missing+=(redis-tools)
        [ -x /usr/bin/mariadb ] || missing+=(mariadb-client-core)
        # The cluster that tests of Kafka speak to is in it.
        [ -x /usr/bin/kcat ] || missing+=(kcat)
        # These two start their servers: see below.
        [ -x /usr/sbin/nats-server ] || missing+=(nats-server)
        [ -x /usr/sbin/mosquitto ] || missing+=(mosquitto)
        [ -x /usr/bin/mosquitto_pub ] || missing+=(mosquitto-clients)
        # An authority that issues certificates by ACME; it starts nothing.
        [ -x /usr/bin/pebble ] || missing+=(pebble)
        [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || install_rabbitmq
    fi
    if [ ${#missing[@]} -eq 0 ]; then
        say "build tools, Python $version and Node: already there"
    else
        local had_postgres=false
        compgen -G '/etc/postgresql/*/*' >/dev/null && had_postgres=true
        install_packages "${missing[@]}"
        case "$had_postgres ${missing[*]}" in "false "*postgresql*) drop_new_postgres ;; esac
        case " ${missing[*]} " in *" nats-server "*) stop_new_service nats-server ;; esac
        case " ${missing[*]} " in *" mosquitto "*) stop_new_service mosquitto ;; esac
    fi
}

# Debian's package starts a broker, at once and whenever the machine starts. The tests start their own.
install_rabbitmq() {
    local policy=/usr/sbin/policy-rc.d unit units=(rabbitmq-server.service)
    command -v epmd >/dev/null || units+=(epmd.socket epmd.service)
    need_root "installing rabbitmq-server"
    # What Debian's packages ask before they start anything.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    else
        policy=''
    fi
    # In a shell of its own, as it may end it.
    (install_packages rabbitmq-server) || { [ -z "$policy" ] || as_root rm -f "$policy"; exit 1; }
    [ -z "$policy" ] || as_root rm -f "$policy"
    command -v systemctl >/dev/null || return 0
    for unit in "${units[@]}"; do
        quietly as_root systemctl disable "$unit" || true
    done
}

# Debian's package makes a server that runs from then on. The tests start their own and need none.
drop_new_postgres() {
    local cluster version
    for cluster in /etc/postgresql/*/*; do
        version=${cluster%/*}
        [ -d "$cluster" ] && quietly as_root pg_dropcluster --stop "${version##*/}" "${cluster##*/}"
    done
}

# The same of packages that have a service: it is there, and runs when somebody starts it.
stop_new_service() {
    [ ! -d /run/systemd/system ] || quietly as_root systemctl disable --now "$1"
}

# ---- Rust ----------------------------------------------------------------------------------

# at_least 1.95 1.100.1
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

rust_version() { cargo --version 2>/dev/null | cut -d ' ' -f 2; }

rust_is_new_enough() {
    local version
    version=$(rust_version) && [ -n "$version" ] && at_least "$RUST_MIN" "$version"
}

# packaged_version package   the version apt would install, without Debian's own part; or nothing.
packaged_version() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null |
        sed -n 's/^ *Candidate: \([0-9][0-9.]*\).*/\1/p'
}

install_rust() {
    if [ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]; then PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH; fi
    if rust_is_new_enough; then
        say "Rust $(rust_version): already there"
        return
    fi
    if ! command -v rustup >/dev/null; then
        local packaged
        if [ -n "$(packaged_version rustup)" ]; then
            install_packages rustup
        elif packaged=$(packaged_version cargo) && [ -n "$packaged" ] && at_least "$RUST_MIN" "$packaged"; then
            # Ubuntu and Debian number cargo like Rust since 1.84; older ones say 0.66.
            install_packages cargo rustc
            rust_is_new_enough && return
        else
            install_rustup_from_its_site
        fi
    fi
    # The user's default toolchain stays what it is.
    export RUSTUP_TOOLCHAIN=stable
    step "installing Rust (once: about a minute)" quietly rustup toolchain install stable \
        --profile minimal --component rustfmt --component clippy ||
        fail "rustup could not install Rust: the lines above say why"
    rust_is_new_enough || fail "Rust $(rust_version) is older than $RUST_MIN, the oldest that builds Kiln"
}

# Debian 12 has neither rustup nor a new enough Rust.
install_rustup_from_its_site() {
    local packages=()
    command -v curl >/dev/null || packages+=(curl)
    [ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
    [ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"
    say "this system has no package of Rust $RUST_MIN: fetching rustup from https://sh.rustup.rs"
    curl --proto '=https' --tlsv1.2 -sSf --retry 3 -o "$STATE/rustup.sh" https://sh.rustup.rs ||
        fail "https://sh.rustup.rs cannot be reached; install Rust $RUST_MIN or newer by hand, then run this again"
    step "installing rustup" quietly sh "$STATE/rustup.sh" -y --no-modify-path \
        --profile minimal --default-toolchain none || fail "rustup's installer failed"
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
}

# ---- interpreters and their runtime packs --------------------------------------------------

# find_pythons   every Python from 3.9 to 3.14 of this machine that can install packages, newest
# first, one a line: "3.11 /usr/bin/python3.11".
find_pythons() {
    local minor candidate found
    for minor in 14 13 12 11 10 9; do
        found=''
        for candidate in "/usr/bin/python3.$minor" "/usr/local/bin/python3.$minor" \
            "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python3."$minor" \
            "$(command -v "python3.$minor" || true)"; do
            if [ -x "$candidate" ] && "$candidate" -c \
                "import sys, pip; sys.exit(sys.version_info[:2] != (3, $minor))" 2>/dev/null; then
                found=$candidate
                break
            fi
        done
        if [ -n "$found" ]; then printf '3.%s %s\n' "$minor" "$found"; fi
    done
}

# choose_pythons   those that KILN_PYTHONS names ("3.9 3.12", or "all"), else the newest two and the
# one that is called python3.
choose_pythons() {
    case ${KILN_PYTHONS:-} in
    '') choose_usual_pythons ;;
    all) find_pythons ;;
    *) find_pythons | while read -r version path; do
        case " $KILN_PYTHONS " in *" $version "*) printf '%s %s\n' "$version" "$path" ;; esac
    done ;;
    esac
}

choose_usual_pythons() {
    local usual
    usual=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    find_pythons | awk -v usual="$usual" 'NR <= 2 || $1 == usual'
}

# find_nodes   every Node.js of this machine that AWS has a runtime for (18, 20, … 26), one a
# version and one a line: "20 /usr/bin/node". KILN_NODES names more programs, separated by colons.
find_nodes() {
    local candidate major seen=' ' on_path named
    mapfile -t on_path < <(type -aP node)
    IFS=: read -ra named <<<"${KILN_NODES:-}"
    for candidate in "${on_path[@]}" /usr/bin/node /usr/local/bin/node \
        "${NVM_DIR:-$HOME/.nvm}"/versions/node/v*/bin/node "${named[@]}"; do
        [ -x "$candidate" ] || continue
        major=$("$candidate" -p 'process.versions.node.split(".")[0]' 2>/dev/null </dev/null) || continue
        case $major in 18 | 20 | 22 | 24 | 26) ;; *) continue ;; esac
        case $seen in *" $major "*) continue ;; esac
        seen="$seen$major "
        printf '%s %s\n' "$major" "$candidate"
    done
}

# build_packs folder   one runtime pack for each Python and each Node.js, named as AWS names the
# runtime. build-pack knows itself when there is nothing to do.
build_packs() {
    mkdir -p "$1"
    build_python_packs "$1"
    build_node_packs "$1"
}

build_python_packs() {
    local version python pythons
    pythons=$(choose_pythons)
    [ -n "$pythons" ] ||
        fail "no Python from 3.9 to 3.14 with pip was found${KILN_PYTHONS:+ among KILN_PYTHONS=$KILN_PYTHONS}"
    say "runtime packs: boto3 and awslambdaric for each Python (first time: about 20 seconds each)"
    while read -r version python; do
        python3 "$ROOT/runtimes/python/build-pack" "$python" "$1/python$version" 2>&1 </dev/null |
            sed 's/^/    /' >&2 || fail "the runtime pack of Python $version could not be made: the lines above say why"
    done <<<"$pythons"
}

build_node_packs() {
    local major node nodes
    nodes=$(find_nodes)
    if [ -z "$nodes" ]; then
        say "no Node.js with an even version from 18 to 26 was found: no runtime pack for it"
        return
    fi
    say "runtime packs: the AWS SDK for each Node.js (first time: about 15 seconds each)"
    while read -r major node; do
        node "$ROOT/runtimes/node/build-pack" "$node" "$1/nodejs$major.x" 2>&1 </dev/null |
            sed 's/^/    /' >&2 || fail "the runtime pack of Node.js $major could not be made: the lines above say why"
    done <<<"$nodes"
}
