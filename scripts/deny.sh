#!/usr/bin/env bash
# Checks licences, duplicates and sources of all dependencies, and advisories where their database is at hand.
set -euo pipefail
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
version=0.20.2
deny=$cache/cargo-deny-$version/bin/cargo-deny
if [ ! -x "$deny" ]; then
    echo "lint: installing cargo-deny $version, once"
    CARGO_TARGET_DIR=$cache/cargo-deny-$version/target cargo install --quiet --locked --version "$version" \
        --root "$cache/cargo-deny-$version" cargo-deny --no-default-features
    rm -rf "$cache/cargo-deny-$version/target"
fi
"$deny" --log-level error check licenses bans sources
# The advisory database is a git repository: without a network the check says so and is left out, it never passes silently.
if git ls-remote --exit-code https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
    "$deny" --log-level error check advisories
else
    echo "lint: advisories were NOT checked: the RustSec database cannot be reached from here"
fi
