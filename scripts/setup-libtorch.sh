#!/usr/bin/env bash
# Takes libtorch out of the torch wheel into a cache folder outside the clone.
#
#   TORCH=cpu  (default)  libtorch_cpu and the two small CUDA libraries that it links against: about 0.5 GB
#   TORCH=cuda            the whole wheel, every library that it names, and CUDA's headers: 2.8 GB to download, unless
#                         the Python references (setup-references.sh) are here, which hold all but the headers
#
# The folder is complete or absent: it is filled beside its final name and renamed at the end.
set -euo pipefail

torch_version=2.11.0
flavour=${TORCH:-cpu}
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
target=$cache/libtorch-$torch_version-$flavour

case $flavour in cpu | cuda) ;; *)
    echo "setup: TORCH=$flavour is not known; use TORCH=cpu or TORCH=cuda" >&2
    exit 64
    ;;
esac
[ "$(uname -sm)" = "Linux x86_64" ] || {
    echo "setup: libtorch is taken from the Linux x86_64 wheel; this machine is $(uname -sm)" >&2
    exit 64
}
[ -e "$target/lib/libtorch.so" ] && exit 0

# Hard links to the references' own torch take no space and outlive them.
references=$(dirname "$("$(dirname "$0")/setup-references.sh" --print)")/..
has_cuda() { [ -e "$references/complete" ] && compgen -G "$references/lib/python3.*/site-packages/torch-$torch_version.dist-info" >/dev/null; }

needed_gb=3
if [ "$flavour" = cuda ] && ! has_cuda; then needed_gb=14; fi
mkdir -p "$cache"
free_gb=$(df --output=avail -BG "$cache" | tail -n 1 | tr -dc 0-9)
[ "$free_gb" -ge "$needed_gb" ] || {
    echo "setup: $cache has $free_gb GB free and needs $needed_gb; set SPLADE_CACHE to a roomier folder" >&2
    exit 74
}

work=$(mktemp -d "$cache/libtorch.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The wheel's own Python version is irrelevant, the libraries are the same: pinning it makes any host Python do.
download() {
    python3 -m pip download --quiet --dest "$work/wheels" --only-binary=:all: \
        --python-version 3.11 --implementation cp --platform manylinux_2_28_x86_64 \
        --platform manylinux_2_27_x86_64 --platform manylinux_2_25_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux1_x86_64 "$@"
}
echo "setup: fetching libtorch $torch_version ($flavour) from the torch wheel, once"
mkdir "$work/site"
if [ "$flavour" = cpu ]; then
    download --no-deps "torch==$torch_version" "nvidia-cuda-runtime==13.0.96" "nvidia-cuda-cupti==13.0.85"
else
    if has_cuda; then
        cp -al "$references"/lib/python3.*/site-packages/{torch,nvidia} "$work/site"
    else
        download "torch==$torch_version"
    fi
    # Headers that libtorch's own include and its wheel does not need.
    download --no-deps "nvidia-cuda-crt==13.0.88" "nvidia-cuda-cccl==13.0.85"
fi

for wheel in "$work"/wheels/*.whl; do
    if [ "$flavour" = cpu ]; then
        python3 - "$wheel" "$work/site" <<'PY'
import sys, zipfile

KEEP = ("torch/include/", "torch/lib/libc10.so", "torch/lib/libtorch_cpu.so", "torch/lib/libgomp.so.1",
        "nvidia/cu13/lib/libcudart.so.13", "nvidia/cu13/lib/libcupti.so.13")
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith(KEEP)])
PY
    else
        python3 -m zipfile -e "$wheel" "$work/site"
    fi
    rm "$wheel"
done

mkdir "$work/lib"
ln -s site/torch/include "$work/include"
find "$work/site" -name '*.so*' -type f | while read -r library; do
    ln -s "../${library#"$work"/}" "$work/lib/$(basename "$library")"
done
# torch-sys links libtorch.so by name. On a CPU-only machine the wheel's own would drag in CUDA, so an empty one stands in.
if [ "$flavour" = cpu ]; then
    echo | gcc -shared -x c - -o "$work/lib/libtorch.so" -Wl,-soname,libtorch.so
fi
rm -rf "$work/wheels" "$target"
mv "$work" "$target"
trap - EXIT
echo "setup: libtorch is in $target"
