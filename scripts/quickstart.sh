#!/usr/bin/env bash
# The quickstart: a tokenizer and a small ModernBERT from the shipped text, trained, exported and benchmarked here.
# Every figure it prints is computed in this run, or was computed by the run that it continues.
set -euo pipefail
job=$1
run=runs/quickstart
data=data/quickstart

if [ ! -e "$run/model/config.json" ]; then
    echo "== A tokenizer and a small ModernBERT with random weights, from the text of $data"
    mkdir -p "$run"
    "$job" init --text "$data/corpus.jsonl" "$data/train.jsonl" --out "$run/model" --vocab-size 4000 --hidden-size 256
fi
echo
echo "== Before training, on questions whose passages no training question asks about"
RUST_LOG=warn "$job" benchmark --model "$run/model" --data "$data" --mask-special-tokens --methods sparse --document-max-length 160
echo "== Training, export and benchmark: configs/quickstart.yaml"
"$job" run -f configs/quickstart.yaml
echo
echo "== What the trained model makes of a few held-out questions (+ marks terms that the question does not contain)"
python3 - "$data" >"$run/questions.txt" <<'PY'
import json
import sys

queries = {}
for line in open(f"{sys.argv[1]}/queries.jsonl", encoding="utf-8"):
    query = json.loads(line)
    queries[query["_id"]] = query
held_out = [line.split("\t")[0] for line in open(f"{sys.argv[1]}/qrels/test.tsv", encoding="utf-8")][1:]
reworded = [queries[query]["text"] for query in held_out if queries[query]["wording"] == "other"]
for text in reworded[:: max(1, len(reworded) // 6)][:6]:
    print(text)
PY
"$job" encode --model "$run/export" --input "$run/questions.txt" --explain --top-k 14
echo
echo "The model is in $run/export; load it with sentence-transformers' SparseEncoder. Curves: make tensorboard"
