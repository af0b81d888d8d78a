"""Loads an exported folder with transformers and with sentence-transformers, unchanged, and compares vectors.

usage: export_check.py FOLDER VECTORS DTYPE
VECTORS  JSON lines {"text": .., "vector": {id: weight}} as `splade-job encode --field text --keys ids` writes them
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn as nn
from sentence_transformers import SparseEncoder
from transformers import AutoModelForMaskedLM, AutoTokenizer

folder, vectors, dtype = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
records = [json.loads(line) for line in vectors.open(encoding="utf-8")]
limit = 1e-4

model, loading = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
assert not loading["missing_keys"] and not loading["unexpected_keys"] and not loading["mismatched_keys"], loading
assert str(model.dtype) == f"torch.{dtype}", model.dtype
model = model.float()
tokenizer = AutoTokenizer.from_pretrained(folder)


def dense(weights):
    vector = torch.zeros(model.config.vocab_size)
    for term, weight in weights.items():
        vector[int(term)] = weight
    return vector


def encode(text):
    """The inference that users of the reference copy from its README."""
    inputs = tokenizer(text, return_tensors="pt", padding=True, truncation=True, max_length=256)
    with torch.no_grad():
        logits = model(**inputs).logits
        sparse_repr = torch.log1p(torch.relu(logits))
        mask = inputs["attention_mask"].unsqueeze(-1).float()
        sparse_repr = (sparse_repr * mask).max(dim=1).values[0]
    return sparse_repr


encoder = SparseEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
assert [type(module).__name__ for module in encoder] == ["Transformer", "SpladePooling"], encoder
texts = [record["text"] for record in records]
embedded = encoder.encode(texts, convert_to_tensor=True, batch_size=3).to_dense()
for record, by_sentence_transformers in zip(records, embedded):
    ours = dense(record["vector"])
    assert ours.count_nonzero() > 0, record["text"]
    for theirs in (encode(record["text"]), by_sentence_transformers):
        difference = (ours - theirs).abs().max().item()
        assert difference <= limit, f"{record['text']!r}: max abs difference {difference}"
print(f"{len(records)} vectors agree")
