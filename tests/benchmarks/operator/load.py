"""Trainings made at a steady rate, and how long each takes until its Job and its pods are there."""

import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from cluster import NAMESPACE

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
# Applies that may wait for their answers at once.
AT_ONCE = 32


def percentile(values, share):
    """The smallest value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


class Arrivals:
    """When objects that carry a label came to a client that watches them."""

    def __init__(self, api, path, label):
        self.times, self.label, self.lock = defaultdict(dict), label, threading.Lock()
        api.watch(path, label, self.heard)

    def heard(self, kind, metadata):
        if kind == "ADDED":
            with self.lock:
                self.times[metadata["labels"][self.label]].setdefault(metadata["name"], time.monotonic())

    def complete(self, number):
        """By name, when the last of `number` objects came, where all have come."""
        with self.lock:
            return {name: sorted(times.values())[number - 1] for name, times in self.times.items() if len(times) >= number}


class Load:
    """One object after the other, at a rate."""

    def __init__(self, api, side, count, rate):
        """`side`: knows path and manifest of an object, and the label that Jobs and pods carry its name in."""
        self.api, self.side, self.count, self.rate = api, side, count, rate
        self.jobs, self.pods = Arrivals(api, JOBS, side.label), Arrivals(api, PODS, side.label)
        self.asked, self.answers, self.late = {}, {}, 0.0

    def apply(self, number, due):
        time.sleep(max(0.0, due - time.monotonic()))
        manifest = self.side.manifest(number)
        name, begun = manifest["metadata"]["name"], time.monotonic()
        path = f"{self.side.path}/{name}?fieldManager=bench&force=true"
        self.api.request("PATCH", path, manifest, content="application/apply-patch+yaml")
        self.asked[name], self.answers[name] = begun, time.monotonic() - begun
        self.late = max(self.late, begun - due)

    def run(self, patience):
        """Applies all, then waits for their pods for at most `patience` seconds."""
        begin = time.monotonic() + 0.5
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tasks = [pool.submit(self.apply, number, begin + number / self.rate) for number in range(self.count)]
            for task in tasks:
                task.result()
        until = time.monotonic() + patience
        while len(self.pods.complete(2)) < self.count and time.monotonic() < until:
            time.sleep(0.5)

    def figures(self):
        """Seconds from apply to Job and to both pods. Who has not got its pods counts as infinitely late."""
        figures = {"applied": len(self.asked), "late": self.late, "apply": list(self.answers.values())}
        for what, arrivals, number in (("job", self.jobs, 1), ("pods", self.pods, 2)):
            came = arrivals.complete(number)
            figures[what] = [came.get(name, float("inf")) - begun for name, begun in self.asked.items()]
        return figures
