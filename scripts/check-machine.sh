#!/usr/bin/env bash
# Says what this machine lacks to build and run splade-operator, and with --tests also to test it, all at once, and how
# to get it.
set -u
missing=0
need() { # command, why, how to get it
    command -v "$1" >/dev/null 2>&1 && return
    echo "setup: '$1' is missing ($2). $3" >&2
    missing=1
}
need cargo "builds the project" "Install Rust from your distribution or with rustup: https://rustup.rs"
need g++ "compiles the libtorch bridge" "Debian, Ubuntu: apt-get install g++"
need gcc "links" "Debian, Ubuntu: apt-get install gcc"
need python3 "fetches libtorch from its wheel" "Debian, Ubuntu: apt-get install python3 python3-pip python3-venv"
if command -v python3 >/dev/null 2>&1; then
    python3 -m pip --version >/dev/null 2>&1 || {
        echo "setup: python3 has no pip. Debian, Ubuntu: apt-get install python3-pip" >&2
        missing=1
    }
fi
if command -v g++ >/dev/null 2>&1; then
    major=$(g++ -dumpversion | cut -d. -f1)
    [ "$major" -ge 11 ] || {
        echo "setup: g++ $major is too old for libtorch's C++20 headers; version 11 or newer is needed" >&2
        missing=1
    }
fi
if command -v rustc >/dev/null 2>&1; then
    minor=$(rustc --version | sed -E 's/^rustc 1\.([0-9]+).*/\1/')
    [ "$minor" -ge 95 ] || {
        echo "setup: $(rustc --version) is too old; 1.95 is needed: rustup toolchain install 1.95.0" >&2
        missing=1
    }
fi
if [ "${1:-}" = --tests ]; then
    need go "builds the OpenTelemetry collector that tests send traces to" \
        "Install Go 1.26 or newer from your distribution or from https://go.dev"
    if command -v go >/dev/null 2>&1; then
        minor=$(GOTOOLCHAIN=local go env GOVERSION | sed -E 's/^go1\.([0-9]+).*/\1/')
        [ "$minor" -ge 26 ] || {
            echo "setup: $(go version) is too old; 1.26 is needed to build the tests' collector: https://go.dev" >&2
            missing=1
        }
    fi
fi
exit $((missing * 69))
