"""Measures the operator with many trainings on nodes of kwok, and Kubeflow Trainer with JobSet beside it.

usage: tests/benchmarks/operator --operator PROGRAM [--count N] [--rate R] [--rest SECONDS] [--only splade|kubeflow]

Needs what the test cluster needs (`make setup-e2e`), and Go, which builds Trainer and JobSet once. The cluster is one of its own, named `bench`
unless SPLADE_CLUSTER says otherwise, and is gone afterwards; logs of the managers are then gone too, unless --keep is given.
"""

import argparse
from pathlib import Path

import report
from cluster import Cluster
from kubeflow import Kubeflow
from measure import Measurement
from pods import Network
from splade import Splade

# Two pods of a training on different nodes, 110 pods a node.
PODS_PER_NODE = 60


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--operator", required=True, type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--rest", type=float, default=60.0)
    parser.add_argument("--only", choices=["splade", "kubeflow"])
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    sides = []
    if args.only != "kubeflow":
        sides.append(Splade(args.operator.resolve()))
    if args.only != "splade":
        sides.append(Kubeflow())
    users = [user for side in sides for user in side.users]
    cluster = Cluster(max(3, 2 * args.count // PODS_PER_NODE), users)
    columns, network = [], Network(cluster)
    try:
        for side in sides:
            measurement = Measurement(cluster, side, network)
            try:
                figures = measurement.run(args.count, args.rate, args.rest)
                failures = measurement.end()
            finally:
                for manager in measurement.managers:
                    manager.stop()
            columns.append(report.Side(measurement, figures, failures))
    finally:
        network.end()
        if not args.keep:
            cluster.down()
    report.write(columns, args.count, args.rate)


main()
