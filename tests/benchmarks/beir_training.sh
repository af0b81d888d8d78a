#!/usr/bin/env bash
# The quickstart's recipe on another data set: a new model from its text, trained, exported and measured against BM25.
#
# usage: beir_training.sh SPLADE_JOB FOLDER   (FOLDER: a BEIR folder that also holds train.jsonl)
set -euo pipefail
job=$1
data=$(realpath "$2")
run=runs/$(basename "$data")
test ! -e "$run" || { echo "$run exists; remove it first" >&2; exit 64; }
mkdir -p "$run"
"$job" init --text "$data/corpus.jsonl" "$data/train.jsonl" --out "$run/model" --vocab-size 4000 --hidden-size 256
sed -e "s#data/quickstart#$data#g" -e "s#runs/quickstart#$run#g" -e "s#hardNegatives: 2#hardNegatives: 1#" \
    -e "s#name: quickstart\$#name: $(basename "$data")#" -e "s#name: quickstart,#name: $(basename "$data"),#" \
    configs/quickstart.yaml >"$run/manifest.yaml"
"$job" benchmark --model "$run/model" --data "$data" --mask-special-tokens --methods sparse --document-max-length 160
"$job" run -f "$run/manifest.yaml"
python3 - "$run" <<'PY'
import glob
import json
import sys

print("step  infonce  active terms of a query / a document")
for path in sorted(glob.glob(f"{sys.argv[1]}/checkpoints/attempt-*/metrics.jsonl")):
    for line in map(json.loads, open(path, encoding="utf-8")):
        print(f"{line['step']:4}  {line['infonce']:7.3f}  {line['active_dimensions_query']:6.1f} / {line['active_dimensions_document']:6.1f}")
PY
