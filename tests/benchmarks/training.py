#!/usr/bin/env python3
"""Measures training here and by sentence-transformers: same weights, triplets, order, batch and settings.

usage: training.py --job SPLADE_JOB [--steps N] [--batch B] [--hidden H] [--layers L] [--vocab V] [--rounds R]

Prints triplets/s (median over the steps after the first five, best of the rounds) and peak resident memory of the
whole process. Both sides run alone, one after the other, with two threads.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = """apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeTraining
metadata: {{name: bench}}
spec:
  model: {{base: model, maskSpecialTokens: false}}
  data: {{train: [triplets.jsonl], hardNegatives: 1, documentMaxLength: 256}}
  loss:
    flops: {{query: "0.01", document: "0.003", documents: All, schedule: {{type: Constant}}}}
    negatives: {{inBatch: AllColumns, maskDuplicates: false}}
  optimizer: {{maxSteps: {steps}, learningRate: "5e-5", batchSizePerDevice: {batch}, gradientAccumulationSteps: 1, precision: FP32}}
  gang: {{nodes: 1, devicesPerNode: 1, deviceResource: none}}
  checkpoint: {{uri: runs/{round}, everySteps: 1000000}}
  telemetry: {{logEverySteps: 1}}
"""


def ours(args, folder, number):
    (folder / "bench.yaml").write_text(MANIFEST.format(steps=args.steps, batch=args.batch, round=number))
    environment = dict(os.environ, OMP_NUM_THREADS="2")
    subprocess.run([args.job, "train", "-f", "bench.yaml"], cwd=folder, check=True, capture_output=True, env=environment)
    log = (folder / f"runs/{number}/attempt-0001/metrics.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in log]
    return statistics.median(line["triplets_per_second"] for line in lines[5:]), lines[-1]["peak_memory_mib"]


def theirs(args, folder):
    command = [sys.executable, ROOT / "tests/references/st_training.py", "model", "triplets.jsonl", "order.txt", "theirs"]
    command += [f"--steps={args.steps}", f"--batch={args.batch}", "--threads=2"]
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=dict(environment, HF_HUB_OFFLINE="1"))
    result = json.loads((folder / "theirs/losses.json").read_text())
    times = [after - before for before, after in zip(result["seconds"], result["seconds"][1:])]
    return args.batch / statistics.median(times[5:]), result["peak_memory_mib"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", required=True)
    for name, default in [("steps", 25), ("batch", 16), ("hidden", 256), ("layers", 4), ("vocab", 8000), ("rounds", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    data = ROOT / "data/quickstart"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        init = ["init", "--text", data / "corpus.jsonl", data / "train.jsonl", "--out", "model"]
        init += [f"--vocab-size={args.vocab}", f"--hidden-size={args.hidden}", f"--layers={args.layers}"]
        subprocess.run([args.job, *init], cwd=folder, check=True, capture_output=True)
        triplets = [json.loads(line) for line in (data / "train.jsonl").open(encoding="utf-8")]
        with (folder / "triplets.jsonl").open("w", encoding="utf-8") as file:
            for triplet in triplets:
                record = {"query": triplet["query"], "positive": triplet["positive"], "negative": triplet["negatives"][0]}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        order = random.Random(0).choices(range(len(triplets)), k=args.steps * args.batch)
        (folder / "order.txt").write_text("\n".join(map(str, order)))
        mine, peer = [], []
        for number in range(args.rounds):
            mine.append(ours(args, folder, number))
            peer.append(theirs(args, folder))
    shape = f"ModernBERT, {args.layers} layers, width {args.hidden}, vocabulary {args.vocab}, batch {args.batch}, FP32, 2 threads"
    print(shape)
    print(f"{'':24} {'triplets/s':>12} {'peak MiB':>10}")
    for label, rows in [("splade-job", mine), ("sentence-transformers", peer)]:
        print(f"{label:24} {max(row[0] for row in rows):12.1f} {min(row[1] for row in rows):10}")
    speed = max(row[0] for row in mine) / max(row[0] for row in peer)
    print(f"{'ratio':24} {speed:12.2f} {min(row[1] for row in mine) / min(row[1] for row in peer):10.2f}")


main()
