"""Trains a SPLADE model with sentence-transformers: its own loss, regulariser and optimizer, in a given order.

usage: st_training.py MODEL TRIPLETS ORDER OUT --steps N --batch B [--query-weight X --document-weight X --lr X ...]

MODEL     a Hugging Face folder
TRIPLETS  JSON lines with query, positive, negative
ORDER     a file with one example index a line: the order in which triplets are taken
OUT       a folder; the trained model goes to OUT/model, losses to OUT/losses.json
"""

import argparse
import json
import resource
import time
from pathlib import Path

import torch
from sentence_transformers import SparseEncoder
from sentence_transformers.sparse_encoder.losses import SparseMultipleNegativesRankingLoss, SpladeLoss


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("model", "triplets", "order", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--query-length", type=int, default=64)
    parser.add_argument("--document-length", type=int, default=256)
    parser.add_argument("--query-weight", type=float, default=0.01)
    parser.add_argument("--document-weight", type=float, default=0.003)
    parser.add_argument("--flops-warmup", type=int, default=0)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--warmup", type=int, default=0)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def tokenise(model, texts, length):
    """What the trainer's collator does, with a length of its own for each column."""
    model.max_seq_length = length
    return model.preprocess(texts)


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    model = SparseEncoder(str(args.model), device="cpu").train()
    triplets = [json.loads(line) for line in args.triplets.open(encoding="utf-8")]
    order = [int(line) for line in args.order.read_text().split()]
    loss = SpladeLoss(
        model, SparseMultipleNegativesRankingLoss(model),
        document_regularizer_weight=args.document_weight, query_regularizer_weight=args.query_weight,
    )
    matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": matrices, "weight_decay": args.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr)
    losses, rows, started, tokens = [], [], time.perf_counter(), 0
    for step in range(args.steps):
        batch = [triplets[index] for index in order[step * args.batch : (step + 1) * args.batch]]
        features = [
            tokenise(model, [triplet["query"] for triplet in batch], args.query_length),
            tokenise(model, [triplet["positive"] for triplet in batch], args.document_length),
            tokenise(model, [triplet["negative"] for triplet in batch], args.document_length),
        ]
        tokens += sum(int(column["attention_mask"].sum()) for column in features)
        ratio = 1.0 if step >= args.flops_warmup else (step / args.flops_warmup) ** 2
        loss.query_regularizer_weight = args.query_weight * ratio
        loss.document_regularizer_weight = args.document_weight * ratio
        parts = loss(features, None)
        total = sum(parts.values())
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        rest = max(1, args.steps - args.warmup)
        rate = step / args.warmup if step < args.warmup else 0.5 * (
            1 + torch.cos(torch.tensor(torch.pi * (step - args.warmup) / rest)).item())
        for group in optimizer.param_groups:
            group["lr"] = args.lr * rate
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total.item())
        rows.append(time.perf_counter() - started)
    args.out.mkdir(parents=True, exist_ok=True)
    result = {
        "losses": losses,
        "seconds": rows,
        "tokens": tokens,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    (args.out / "losses.json").write_text(json.dumps(result))
    model.max_seq_length = args.document_length
    model.save_pretrained(str(args.out / "model"), create_model_card=False)


main()
