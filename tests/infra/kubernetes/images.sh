#!/usr/bin/env bash
# Builds the images of this clone's release binaries, without a registry, and imports them into the nodes of the running cluster:
#
#   images.sh [operator] [job]    localhost/splade-operator:e2e, localhost/splade-job:e2e; default: both
#
# They are those that dockerfiles/operator.Dockerfile and dockerfiles/job-cpu.Dockerfile make for everybody; only what they
# begin from is made here, of this machine's own Debian packages.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "$0")/lib/all.sh"

base=localhost/splade-base:1

build_base() {
    buildah_here images --quiet "$base" >/dev/null 2>&1 && return
    local root=$programs/base.tar codename
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    say "making a base of Debian packages, once"
    mmdebstrap --quiet --variant=essential --include=ca-certificates,libstdc++6 "$codename" "$root"
    buildah_here bud --quiet --timestamp 0 --tag "$base" --file - "$programs" <<<$'FROM scratch\nADD base.tar /\nCMD ["/bin/sh"]' >/dev/null
    rm "$root"
}

# Each image is started once here: what it lacks shows now, in the loader's words, and not in a pod.
build() { # image, its Dockerfile, command of the first start
    local context digest dockerfile=$repository/dockerfiles/$2.Dockerfile reference=localhost/$1:e2e
    context=$("$repository/scripts/stage-image.sh" "$2")
    digest=$(find "$context" "$dockerfile" -type f -print0 | sort --zero-terminated | xargs -0 cat | sha256sum)
    [ -f "$(archive "$1")" ] && [ "$(cat "$(archive "$1").digest")" = "$digest" ] && return
    buildah_here bud --quiet --pull-never --timestamp 0 --build-arg BASE="$base" --tag "$reference" \
        --file "$dockerfile" "$context" >/dev/null
    start_once "$reference" "${@:3}"
    publish "$reference" "$1"
    echo "$digest" >"$(archive "$1").digest"
    # The archive is all that is needed on; images of older binaries would fill the disk.
    buildah_here rmi --force "$reference" >/dev/null
    say "$reference: $(du --human-readable "$(archive "$1")" | cut -f1)"
}

start_once() { # image, command...
    local container
    container=$(buildah_here from --pull-never "$1")
    buildah_here run "$container" -- "${@:2}" >"$programs/start.log" 2>&1 || {
        cat "$programs/start.log" >&2
        buildah_here rm "$container" >/dev/null
        fail "$1 does not start"
    }
    buildah_here rm "$container" >/dev/null
}

check_machine cluster
"$infra/build.sh" cluster
exec 9>"$programs/images.lock"
flock 9
build_base
[ $# -gt 0 ] || set -- operator job
for image in "$@"; do
    case $image in
        operator) build splade-operator operator splade-operator --version ;;
        job)
            "$repository/scripts/check-image-libraries.py" "$repository/dockerfiles/job-cpu.Dockerfile" \
                "${CARGO_TARGET_DIR:-$cache/target-cpu}/release/splade-job" "$cache/libtorch-2.11.0-cpu/lib"
            build splade-job job-cpu splade-job info
            ;;
        *) fail "images.sh: '$image' is not operator or job" 64 ;;
    esac
    if running apiserver; then
        for node in "${nodes[@]}"; do
            import_image "$node" "splade-$image"
        done
    fi
done
