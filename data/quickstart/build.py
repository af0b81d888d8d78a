#!/usr/bin/env python3
"""Builds the quickstart data set from `source/*.jsonl`: a BEIR folder and training triplets.

    python3 data/quickstart/build.py [OUT]

The result is committed here, and OUT is for the test that rebuilds it and compares. Passages are split into train and test: no question of a
test passage, and no passage that answers one, is a positive in training. Hard negatives are the training passages
that share most character bigrams with the question, its own apart.
"""

import collections
import json
import math
import sys
from pathlib import Path

HERE = Path(__file__).parent
OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
TEST_EVERY = 5
HARD_NEGATIVES = 3


def passages():
    for file in sorted((HERE / "source").glob("*.jsonl")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            passage = json.loads(line)
            passage["id"] = f"{file.stem}-{number:03}"
            passage["split"] = "test" if number % TEST_EVERY == TEST_EVERY - 1 else "train"
            yield passage


def bigrams(text):
    text = "".join(text.split())
    return collections.Counter(text[i : i + 2] for i in range(len(text) - 1))


class Overlap:
    """Ranks passages by shared character bigrams, weighted by their rarity and the passage's length."""

    def __init__(self, texts):
        self.postings = collections.defaultdict(list)
        lengths = []
        for index, text in enumerate(texts):
            counts = bigrams(text)
            lengths.append(sum(counts.values()))
            for bigram, count in counts.items():
                self.postings[bigram].append((index, count))
        mean = sum(lengths) / len(lengths)
        self.norm = [0.25 + 0.75 * length / mean for length in lengths]
        self.size = len(texts)

    def best(self, query, most):
        scores = collections.Counter()
        for bigram in bigrams(query):
            postings = self.postings.get(bigram, ())
            weight = math.log(1 + (self.size - len(postings) + 0.5) / (len(postings) + 0.5))
            for index, count in postings:
                scores[index] += weight * count / (count + 1.2 * self.norm[index])
        return [index for index, _ in sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:most]]


def write(path, records):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def main():
    everything = list(passages())
    training = [passage for passage in everything if passage["split"] == "train"]
    contents = [f"{passage['title']}\n{passage['text']}" for passage in training]
    overlap = Overlap(contents)
    asked = collections.Counter(question["text"] for passage in everything for question in passage["questions"])
    queries, qrels, triplets = [], {"train": [], "test": []}, []
    for passage in everything:
        for number, question in enumerate(passage["questions"]):
            if asked[question["text"]] > 1:
                continue  # asked of two passages, it would have two answers and one judgment
            query = f"{passage['id']}-q{number}"
            queries.append({"_id": query, "text": question["text"], "wording": question["wording"]})
            qrels[passage["split"]].append((query, passage["id"]))
            if passage["split"] == "train":
                own = training.index(passage)
                hard = [index for index in overlap.best(question["text"], HARD_NEGATIVES + 1) if index != own]
                # A question may share nothing with so many passages: its passage's neighbours fill up.
                near = [(own + step) % len(training) for step in range(1, HARD_NEGATIVES + 1)]
                chosen = list(dict.fromkeys(hard + near))[:HARD_NEGATIVES]
                negatives = [contents[index] for index in chosen]
                triplets.append({"query": question["text"], "positive": contents[own], "negatives": negatives})
    write(OUT / "corpus.jsonl", ({"_id": p["id"], "title": p["title"], "text": p["text"]} for p in everything))
    write(OUT / "queries.jsonl", queries)
    write(OUT / "train.jsonl", triplets)
    for split, rows in qrels.items():
        path = OUT / "qrels" / f"{split}.tsv"
        path.parent.mkdir(exist_ok=True)
        lines = ["query-id\tcorpus-id\tscore"] + [f"{query}\t{document}\t1" for query, document in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


main()
