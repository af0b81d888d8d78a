#!/usr/bin/env bash
# Makes the build folder that of this clone: removes the crates that another clone has built there, and keeps all libraries.
# Clones share the folder, but cargo tells their crates apart by nothing but the times of the files: what another clone built
# from other sources would pass for up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

clone=$(pwd -P)
mark=$CARGO_TARGET_DIR/clone
if [[ -e $mark && $(<"$mark") == "$clone" ]]; then
    exit
fi
for profile in release check-cuda dev; do
    # The folder of the profile dev is called debug.
    if [[ -d $CARGO_TARGET_DIR/${profile/dev/debug} ]]; then
        mapfile -t packages < <(cargo tree --locked --workspace --depth 0 --prefix none | awk 'NF { print "--package=" $1 }')
        cargo clean --quiet --locked --profile "$profile" "${packages[@]}"
    fi
done
mkdir -p "$CARGO_TARGET_DIR"
printf '%s\n' "$clone" >"$mark"
