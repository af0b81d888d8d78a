#!/usr/bin/env python3
"""Measures training here and by sentence-transformers: same weights, triplets, order, batch and settings.

usage: training.py --job SPLADE_JOB [--steps N] [--batch B] [--hidden H] [--layers L] [--vocab V] [--rounds R] [--skip K] [--full]

Prints triplets/s and real tokens/s (median over the steps after the first K, best of the rounds) and peak resident
memory of the whole process. Both sides run alone, one after the other, with two threads. `--full` takes the
architecture of the headline model (22 layers, width 768, 50,000 terms) with random weights.
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
    speed = statistics.median(line["triplets_per_second"] for line in lines[args.skip :])
    tokens = statistics.median(line["tokens_per_second"] for line in lines[args.skip :])
    return speed, lines[-1]["peak_memory_mib"], tokens


def theirs(args, folder):
    command = [sys.executable, ROOT / "tests/references/st_training.py", "model", "triplets.jsonl", "order.txt", "theirs"]
    command += [f"--steps={args.steps}", f"--batch={args.batch}", "--threads=2"]
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=dict(environment, HF_HUB_OFFLINE="1"))
    result = json.loads((folder / "theirs/losses.json").read_text())
    times = [after - before for before, after in zip(result["seconds"], result["seconds"][1:])]
    seconds = statistics.median(times[args.skip :])
    return args.batch / seconds, result["peak_memory_mib"], result["tokens"] / args.steps / seconds


def headline_architecture(folder):
    """Random weights of the headline model's architecture, in the place of the small model's."""
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    special = json.loads((folder / "model/config.json").read_text())
    config = ModernBertConfig(
        vocab_size=50_000, hidden_size=768, intermediate_size=1152, num_hidden_layers=22, num_attention_heads=12,
        **{name: value for name, value in special.items() if name.endswith("_token_id")},
    )
    ModernBertForMaskedLM(config).save_pretrained(folder / "model")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", required=True)
    for name, default in [("steps", 25), ("batch", 16), ("hidden", 256), ("layers", 4), ("vocab", 8000), ("rounds", 2), ("skip", 5)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--full", action="store_true")
    args = parser.parse_args()
    data = ROOT / "data/quickstart"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        init = ["init", "--text", data / "corpus.jsonl", data / "train.jsonl", "--out", "model"]
        init += [f"--vocab-size={args.vocab}", f"--hidden-size={args.hidden}", f"--layers={args.layers}"]
        subprocess.run([args.job, *init], cwd=folder, check=True, capture_output=True)
        if args.full:
            headline_architecture(folder)
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
    shape = "22 layers, width 768, vocabulary 50000" if args.full else f"{args.layers} layers, width {args.hidden}, vocabulary {args.vocab}"
    print(f"ModernBERT, {shape}, batch {args.batch}, FP32, 2 threads")
    print(f"{'':24} {'triplets/s':>12} {'tokens/s':>10} {'peak MiB':>10}")
    for label, rows in [("splade-job", mine), ("sentence-transformers", peer)]:
        best = max(rows)
        print(f"{label:24} {best[0]:12.2f} {best[2]:10.0f} {min(row[1] for row in rows):10}")
    speed = max(row[0] for row in mine) / max(row[0] for row in peer)
    print(f"{'ratio':24} {speed:12.2f} {'':10} {min(row[1] for row in mine) / min(row[1] for row in peer):10.2f}")


main()
