#!/usr/bin/env python3
"""Measures the making of token shards from many triplets, and the memory of training on them.

usage: shards.py --job SPLADE_JOB [--triplets N]

Triplets are put together from the sentences of the quickstart's text, each with one hard negative.
"""

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = """apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeTraining
metadata: {name: shards}
spec:
  model: {base: model}
  data: {train: [triplets.jsonl], hardNegatives: 1, documentMaxLength: 256, cache: cache}
  optimizer: {maxSteps: 3, learningRate: "5e-5", batchSizePerDevice: 16, gradientAccumulationSteps: 1, precision: FP32}
  gang: {nodes: 1, devicesPerNode: 1, deviceResource: none}
  checkpoint: {uri: runs/shards, everySteps: 1000, resume: Never}
  telemetry: {logEverySteps: 1}
"""


def run(job, folder):
    """Trains three steps; gives seconds to the first step and the process's own peak memory, MiB, without mapped files."""
    started = time.time()
    process = subprocess.Popen([job, "train", "-f", "shards.yaml"], cwd=folder, stdout=subprocess.DEVNULL, stderr=(folder / "log").open("w"))
    first, anonymous = None, 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            anonymous = max(anonymous, int(status.split("RssAnon:")[1].split()[0]) // 1024)
        except (FileNotFoundError, IndexError, ProcessLookupError):
            pass
        logs = list(folder.glob("runs/shards/attempt-*/metrics.jsonl"))
        newest = max(logs, key=lambda log: log.parent.name, default=None)
        if first is None and newest and newest.stat().st_mtime >= started and newest.stat().st_size > 0:
            first = time.time() - started
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit((folder / "log").read_text())
    return first, anonymous


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", required=True)
    parser.add_argument("--triplets", type=int, default=4_840_000)
    args = parser.parse_args()
    texts = [json.loads(line)["text"] for line in (ROOT / "data/quickstart/corpus.jsonl").open(encoding="utf-8")]
    queries = [json.loads(line)["query"] for line in (ROOT / "data/quickstart/train.jsonl").open(encoding="utf-8")]
    generator = random.Random(0)
    with tempfile.TemporaryDirectory(dir=os.environ.get("SPLADE_BENCH_FOLDER")) as name:
        folder = Path(name)
        (folder / "data").symlink_to(ROOT / "data/quickstart")
        init = ["init", "--text", "data/corpus.jsonl", "data/train.jsonl", "--out", "model", "--vocab-size=8000", "--hidden-size=256", "--layers=4"]
        subprocess.run([args.job, *init], cwd=folder, check=True, capture_output=True)
        with (folder / "triplets.jsonl").open("w", encoding="utf-8") as file:
            for _ in range(args.triplets):
                record = {"query": generator.choice(queries), "positive": generator.choice(texts), "negative": generator.choice(texts)}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        size = (folder / "triplets.jsonl").stat().st_size
        (folder / "shards.yaml").write_text(MANIFEST)
        making, making_memory = run(args.job, folder)
        ready, ready_memory = run(args.job, folder)
        print(f"{args.triplets} triplets, {size / 2**30:.2f} GiB of text")
        print(f"shards made and the first step done  {making:7.1f} s  {args.triplets / (making - ready):8.0f} triplets/s  {making_memory} MiB anonymous memory at most")
        print(f"shards ready, the first step done    {ready:7.1f} s  {ready_memory} MiB anonymous memory at most, model and optimizer included")


main()
