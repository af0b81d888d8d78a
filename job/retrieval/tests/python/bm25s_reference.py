"""Scores with bm25s "lucene". Reads {"documents", "queries", "k1", "b"} as JSON, the texts as lists of
terms, and writes one list of scores per query, in document order."""

import json
import sys

import bm25s


def main():
    given = json.load(sys.stdin)
    index = bm25s.BM25(method="lucene", k1=given["k1"], b=given["b"])
    index.index(given["documents"], show_progress=False)
    scores = []
    for query in given["queries"]:
        known = [term for term in query if term in index.vocab_dict]
        found = index.get_scores(known).tolist() if known else [0.0] * len(given["documents"])
        scores.append(found)
    json.dump(scores, sys.stdout)


main()
