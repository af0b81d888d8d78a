#!/usr/bin/env python3
"""Holds the libraries that a job image carries against what splade-job and libtorch load.

check-image-libraries.py DOCKERFILE BINARY LIBTORCH_LIB

Every library of libtorch's folder is either in the image or in LEFT_OUT with its reason, so that a new libtorch cannot
bring one that nobody has looked at; nothing that is linked or opened by name may be left out; and the binary starts on
what the image carries alone.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Patterns of libraries that no image carries.
LEFT_OUT = {
    r"libtorch\.so|libtorch_global_deps\.so": "empty, or only for Python's loader",
    r"libtorch_python\.so|_C\..*|libshm\.so": "Python",
    r"nvshmem_(bootstrap|transport)_.*": "NVSHMEM's starters: only symmetric memory starts it",
    r"libcufile_rdma\.so\.\d+": "GPUDirect Storage, which nothing here uses",
    r"libcufftw\.so\.\d+|libnvblas\.so\.\d+|libcusolverMg\.so\.\d+": "other faces of libraries that the image has",
    r"libnvperf_.*|libpcsamplingutil\.so|libcheckpoint\.so": "CUPTI's profilers of counters",
    r"libnvtx3interop\.so\.\d+": "for profilers",
    r".*\.alt\.so(\.\d+)*": "NVRTC for older drivers",
}


def linked(path):
    """The names of the libraries that the loader looks for when it loads `path`."""
    text = subprocess.run(["readelf", "--dynamic", "--wide", path], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", text))


def opened(path):
    """Names of libraries among the strings of `path`, by which it may open them while it runs."""
    names = re.findall(rb"(?:lib|nvshmem)[\w.+-]+?\.so(?:\.\d+)*", path.read_bytes())
    return {name.decode() for name in names}


def closure(start, folder, names_of):
    """Every library of `folder` that `start` reaches, with one that leads to it."""
    reached, todo = {}, [start]
    while todo:
        path = todo.pop()
        for name in names_of(path):
            if name not in reached and (folder / name).exists():
                reached[name] = path.name
                todo.append(folder / name)
    return reached


def left_out(name):
    return any(re.fullmatch(pattern, name) for pattern in LEFT_OUT)


def start(binary, folder, carried):
    """What `splade-job info` says against its start with `carried` alone, every symbol bound; empty where it starts."""
    with tempfile.TemporaryDirectory() as alone:
        for name in carried:
            (Path(alone) / name).symlink_to((folder / name).resolve())
        # The binary and libtorch carry paths of their own, which an image does not have.
        loader = ["/lib64/ld-linux-x86-64.so.2", "--inhibit-rpath", "", "--library-path", alone]
        result = subprocess.run([*loader, binary.resolve(), "info"], env={**os.environ, "LD_BIND_NOW": "1"},
                                capture_output=True, text=True)
    return "" if result.returncode == 0 else result.stderr.strip()


def main():
    dockerfile, binary, folder = map(Path, sys.argv[1:])
    carried = set(re.findall(r"\blib/([^\s/]+\.so[^\s/]*)", dockerfile.read_text(encoding="utf-8")))
    present = {path.name for path in folder.iterdir()}
    faults = [f"{name}: in the image, but not in {folder}" for name in sorted(carried - present)]
    for name, user in sorted(closure(binary, folder, linked).items()):
        if name not in carried:
            faults.append(f"{name}: {user} is linked with it, and the image lacks it")
    known = carried | {name for name in present if left_out(name)}
    for name in sorted(present - known):
        faults.append(f"{name}: neither in the image nor among those left out for a reason")
    for name in sorted(carried):
        for other in sorted(opened(folder / name) & present - known):
            faults.append(f"{other}: {name} may open it, and the image lacks it")
    if not faults and (reason := start(binary, folder, carried)):
        faults.append(reason)
    for fault in faults:
        print(f"check-image-libraries: {dockerfile.name}: {fault}", file=sys.stderr)
    if not faults:
        size = sum((folder / name).stat().st_size for name in carried)
        print(f"{dockerfile.name}: {len(carried)} libraries, {size / 1e9:.2f} GB; {len(present - carried)} left out")
    sys.exit(65 if faults else 0)


if __name__ == "__main__":
    main()
