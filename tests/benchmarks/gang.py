#!/usr/bin/env python3
"""Measures what several ranks and checkpoints cost on this machine.

usage: gang.py --job SPLADE_JOB [--rounds R]

1. Two ranks with one thread each against one rank with two threads: 4 layers, accumulation 4, the same triplets a step.
2. Checkpoints every 20 steps against none: wall time of the same 100 steps.
3. From the start of `launch` to the first step, shards ready.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = """apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeTraining
metadata: {{name: {name}}}
spec:
  model: {{base: model}}
  data: {{train: [data/train.jsonl], hardNegatives: 1, documentMaxLength: 256, cache: cache}}
  optimizer: {{maxSteps: {steps}, learningRate: "5e-5", batchSizePerDevice: {batch}, gradientAccumulationSteps: 4, precision: FP32}}
  gang: {{nodes: 1, devicesPerNode: {ranks}, deviceResource: none}}
  checkpoint: {{uri: runs/{name}, everySteps: {every}}}
  telemetry: {{logEverySteps: 1}}
"""


def train(job, folder, name, steps, ranks, batch, every):
    """Trains; gives seconds from start to end, seconds to the first step, and the log's lines."""
    (folder / f"{name}.yaml").write_text(MANIFEST.format(name=name, steps=steps, ranks=ranks, batch=batch, every=every))
    environment = dict(os.environ, OMP_NUM_THREADS=str(2 // ranks))
    started = time.time()
    process = subprocess.Popen([job, "launch", "-f", f"{name}.yaml"], cwd=folder, env=environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log, first = folder / f"runs/{name}/attempt-0001/metrics.jsonl", None
    while process.poll() is None:
        if first is None and log.exists() and log.stat().st_size > 0:
            first = time.time() - started
        time.sleep(0.01)
    if process.returncode:
        raise SystemExit(f"{name} left with {process.returncode}")
    return time.time() - started, first, [json.loads(line) for line in log.read_text().splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", required=True)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").symlink_to(ROOT / "data/quickstart")
        init = ["init", "--text", "data/corpus.jsonl", "data/train.jsonl", "--out", "model", "--vocab-size=8000", "--hidden-size=256", "--layers=4"]
        subprocess.run([args.job, *init], cwd=folder, check=True, capture_output=True)
        speed = {1: 0.0, 2: 0.0}
        for number in range(args.rounds):
            for ranks in speed:
                _, _, lines = train(args.job, folder, f"ranks{ranks}-{number}", 25, ranks, 16 // ranks, 1000)
                rates = sorted(line["triplets_per_second"] for line in lines[5:])
                speed[ranks] = max(speed[ranks], rates[len(rates) // 2])
        print(f"one rank, two threads      {speed[1]:8.1f} triplets/s")
        print(f"two ranks, a thread each   {speed[2]:8.1f} triplets/s   ratio {speed[2] / speed[1]:.2f}")
        walls = {1000: [], 20: []}
        for number in range(args.rounds):
            for every in walls:
                wall, first, lines = train(args.job, folder, f"every{every}-{number}", 100, 1, 8, every)
                walls[every].append((wall - first, first))
        without, with_checkpoints = (min(walls[every])[0] for every in (1000, 20))
        cost = (with_checkpoints - without) / without
        print(f"100 steps, a checkpoint at the end {without:6.2f} s; five of them {with_checkpoints:6.2f} s: {cost:+.1%} of the time")
        print(f"from launch to the first step, shards ready: {min(first for rows in walls.values() for _, first in rows):.2f} s")


main()
