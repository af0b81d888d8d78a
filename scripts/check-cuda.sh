#!/usr/bin/env bash
# Starts a CUDA build of splade-job, with or without a GPU, and checks that it is one.
set -euo pipefail
job=$1
fail() {
    echo "check-cuda: $1" >&2
    exit 70
}
libraries=$(ldd "$job")
for library in libtorch_cuda.so libc10_cuda.so libnccl.so.2; do
    grep -q "$library => /" <<<"$libraries" || fail "$job does not link $library"
done
grep "not found" <<<"$libraries" && fail "$job lacks libraries"
# Every symbol, not only those that are called first.
info=$(LD_BIND_NOW=1 "$job" info)
echo "$info"
grep -q "^nccl  *2\." <<<"$info" || fail "splade-job info knows no NCCL"
