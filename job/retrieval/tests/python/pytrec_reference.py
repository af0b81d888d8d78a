"""Judges runs with pytrec_eval. Reads {"qrels", "run"} as JSON, writes query -> measures and nothing else."""

import json
import struct
import sys

import pytrec_eval

MEASURES = {"success.1,5,10", "recall.10,100", "ndcg_cut.10", "recip_rank"}


def as_f32(score):
    return struct.unpack("f", struct.pack("f", score))[0]


def head(documents, k):
    """The first k in trec_eval's order: score as f32, then document id bytes, both descending."""
    order = sorted(documents.items(), key=lambda item: (as_f32(item[1]), item[0].encode()), reverse=True)
    return dict(order[:k])


def main():
    given = json.load(sys.stdin)
    qrels, run = given["qrels"], given["run"]
    whole = pytrec_eval.RelevanceEvaluator(qrels, MEASURES).evaluate(run)
    cut = {query: head(documents, 10) for query, documents in run.items()}
    first_ten = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut)
    json.dump(
        {
            query: {
                "success_at_1": measures["success_1"],
                "success_at_5": measures["success_5"],
                "success_at_10": measures["success_10"],
                "recall_at_10": measures["recall_10"],
                "recall_at_100": measures["recall_100"],
                "mrr_at_10": first_ten[query]["recip_rank"],
                "ndcg_at_10": measures["ndcg_cut_10"],
            }
            for query, measures in whole.items()
        },
        sys.stdout,
    )


main()
