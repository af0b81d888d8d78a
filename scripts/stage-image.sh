#!/usr/bin/env bash
# Lays out what an image is built of, and prints the folder: the release binary without its debug information, and the
# libraries that the image's Dockerfile names. The binary must have been built: `make build-operator` for operator, `make build` for
# job-cpu, `make build TORCH=cuda` for job.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
image=${1:-}
case $image in
    operator) binary=splade-operator flavour=cpu command="make build-operator" ;;
    job-cpu) binary=splade-job flavour=cpu command="make build" ;;
    job) binary=splade-job flavour=cuda command="make build TORCH=cuda" ;;
    *)
        echo "stage-image: the images are operator, job-cpu and job, not '$image'" >&2
        exit 64
        ;;
esac
built=${CARGO_TARGET_DIR:-$cache/target-$flavour}/release/$binary
[ -x "$built" ] || {
    echo "stage-image: $built is not built: $command" >&2
    exit 66
}
folder=$cache/image-$image
rm -rf "$folder"
mkdir -p "$folder/lib"
strip --strip-debug -o "$folder/$binary" "$built"
[ "$image" = operator ] && echo "$folder" && exit
# Hard links where the file system allows: the CUDA libraries are 3 GB.
grep -o '\blib/[^ /]*\.so[^ /]*' "$here/dockerfiles/$image.Dockerfile" | sort --unique | while read -r library; do
    source=$(readlink -f "$cache/libtorch-2.11.0-$flavour/$library")
    ln "$source" "$folder/$library" 2>/dev/null || cp "$source" "$folder/$library"
done
echo "$folder"
