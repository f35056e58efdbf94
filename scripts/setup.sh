#!/usr/bin/env bash
# Installs what the build needs and the machine lacks, and says what and why. Does nothing, in well under a second, when
# all is there. Everything that is not a Debian package goes to .tools/ in this tree; the machine's own set-up is left as it is.
#
# It leaves .tools/env.sh behind: the one environment in which cargo runs here. Changing CC, CXX or libclang's place
# between two builds makes cargo compile RocksDB anew (ten minutes), so every make target sources that file, and so
# should a shell in which cargo is called by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
tools="$PWD/.tools"
mkdir -p "$tools"

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

as_root=()
can_install() {
    has apt-get || return 1
    [ "$(id -u)" = 0 ] && return 0
    has sudo && sudo -n true 2>/dev/null && as_root=(sudo -n)
}

updated=no
refresh_packages() {
    [ "$updated" = yes ] && return 0
    "${as_root[@]}" apt-get -qq update || say "the package lists could not be refreshed; trying with those at hand"
    updated=yes
}

apt_install() { # package...
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$@" >/dev/null
}

# --- the compilers -----------------------------------------------------------------------------------------------

need_rust() {
    has cargo || die "cargo is missing: install Rust with rustup (https://rustup.rs), then run this again"
}

need_cxx() {
    has gcc && has g++ && return 0
    can_install || die "gcc and g++ are missing (RocksDB is C++) and can't be installed without root: ask for Debian's g++"
    say "installing g++: RocksDB is written in C++ and compiled from source"
    refresh_packages
    apt_install gcc g++ libc6-dev
}

# --- libclang: bindgen reads RocksDB's C header through it ---------------------------------------------------------

system_libclang() {
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null && compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' >/dev/null
}

wheel_libclang() { compgen -G "$tools/libclang/clang/native/libclang*.so*" >/dev/null; }

need_libclang() {
    [[ -n "${LIBCLANG_PATH:-}" && "$LIBCLANG_PATH" != "$tools"* ]] && return 0
    system_libclang || wheel_libclang && return 0
    if can_install; then
        refresh_packages
        local release
        release=$(apt-cache depends libclang-dev 2>/dev/null | sed -n 's/.*libclang-\([0-9]*\)-dev.*/\1/p' | head -n 1)
        [ -n "$release" ] || release=$(apt-cache search --names-only '^libclang1-[0-9]+$' | sed 's/libclang1-\([0-9]*\).*/\1/' | sort -n | tail -n 1)
        if [ -n "$release" ]; then
            say "installing libclang1-$release and libclang-common-$release-dev: RocksDB's bindings are generated at build time"
            apt_install "libclang1-$release" "libclang-common-$release-dev" && return 0
            say "that failed; falling back to the Python wheel"
        fi
    fi
    has python3 || die "libclang is missing, and neither apt (as root) nor python3 is there to fetch it"
    say "installing the Python wheel libclang into .tools/libclang: RocksDB's bindings are generated at build time, and apt can't be used here"
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$tools/libclang" libclang \
        || die "the wheel could not be installed: install Debian's libclang1 and libclang-common-dev of one release, or set LIBCLANG_PATH"
}

# --- what only makes things quicker or stricter -----------------------------------------------------------------------

want_ccache() {
    has ccache && return 0
    can_install || { say "no ccache and no root to install it: the release build compiles RocksDB a second time"; return 0; }
    say "installing ccache: debug and release then compile RocksDB once, not twice"
    refresh_packages
    apt_install ccache || say "that failed; going on without it"
}

want_nextest() {
    has cargo-nextest || [ -x "$tools/bin/cargo-nextest" ] && return 0
    [ -e "$tools/nextest-failed" ] && { say "cargo-nextest could not be installed: tests run under cargo test (rm .tools/nextest-failed to try again)"; return 0; }
    say "installing cargo-nextest into .tools/bin (some minutes, once): each test runs in its own process, with a guard against hanging"
    cargo install --quiet --locked --root "$tools" cargo-nextest && return 0
    touch "$tools/nextest-failed"
    say "that failed; tests run under cargo test, without time limits and process groups"
}

# --- the environment of every build ---------------------------------------------------------------------------------------

environment() {
    echo "# Written by scripts/setup.sh; source it in every shell that calls cargo in this tree."
    if has ccache; then
        echo 'export CC="ccache gcc" CXX="ccache g++"'
    else
        echo 'export CC=gcc CXX=g++'
    fi
    # A shell that has sourced env.sh already carries our own LIBCLANG_PATH; only a foreign one is left to its owner.
    if [[ "${LIBCLANG_PATH:-$tools}" == "$tools"* ]] && ! system_libclang && wheel_libclang; then
        echo "export LIBCLANG_PATH=\"$tools/libclang/clang/native\""
        echo "export BINDGEN_EXTRA_CLANG_ARGS=\"-I$(gcc -print-file-name=include)\""
    fi
    [ -d "$tools/bin" ] && echo "export PATH=\"$tools/bin:\$PATH\""
    return 0
}

need_rust
need_cxx
need_libclang
want_ccache
want_nextest
environment >"$tools/env.sh.new"
cmp -s "$tools/env.sh.new" "$tools/env.sh" && rm "$tools/env.sh.new" || mv "$tools/env.sh.new" "$tools/env.sh"
