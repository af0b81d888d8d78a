"""SpladeTrainings and their operator."""

import time
import urllib.request

from cluster import NAMESPACE, ROOT, output
from manager import Manager

ACCOUNT, HOME = "splade-operator", "splade-system"
HTTP = "127.0.0.1:18080"


class Splade:
    """The chart without its Deployment: the operator runs beside the API server."""

    name = "splade-operator"
    asks_pods = True
    users = [f"system:serviceaccount:{HOME}:{ACCOUNT}"]
    path = f"/apis/neuralsparse.dev/v1alpha1/namespaces/{NAMESPACE}/spladetrainings"
    label = "neuralsparse.dev/training"

    def __init__(self, program):
        self.program, self.cluster = program, None

    def install(self, cluster):
        """Definitions and rights."""
        self.cluster = cluster
        cluster.kubectl("create", "namespace", HOME)
        objects = cluster.chart(ACCOUNT, ROOT / "charts/splade-operator", HOME)
        runs_here = {"CustomResourceDefinition", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
        cluster.apply([one for one in objects if one["kind"] in runs_here])

    def launch(self):
        """Starts the operator, and waits until it leads."""
        cluster = self.cluster
        # As in the image and by the chart.
        environment = {"KUBECONFIG": cluster.kubeconfig_of(HOME, ACCOUNT), "POD_NAMESPACE": HOME, "RUST_LOG": "info", "MALLOC_ARENA_MAX": "1"}
        command = [self.program, "run", "--job-image=localhost/none:1", f"--http-address={HTTP}"]
        managers = [Manager(cluster, self.name, self.users[0], command, environment)]
        self.await_ready(managers[0])
        return managers

    def await_ready(self, manager):
        until = time.monotonic() + 30
        while "splade_operator_leader 1" not in self.metrics():
            manager.check()
            if time.monotonic() > until:
                raise SystemExit(f"the operator does not lead after 30 s: {manager.log}")
            time.sleep(0.2)

    def metrics(self):
        try:
            return output(self.cluster.inside("curl", "--silent", "--max-time", "5", f"http://{HTTP}/metrics"))
        except Exception:
            return ""

    def polls(self):
        """Questions to pods so far, by what came of them."""
        polls = {}
        for line in self.metrics().splitlines():
            if line.startswith("splade_operator_progress_polls_total{"):
                series, value = line.rsplit(" ", 1)
                polls["ok" if '"ok"' in series else "error"] = float(value)
        return polls

    def manifest(self, number):
        name = f"bench-{number:04}"
        return {
            "apiVersion": "neuralsparse.dev/v1alpha1", "kind": "SpladeTraining", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "model": {"base": "s3://models/base"}, "data": {"train": ["s3://data/train.jsonl"]}, "optimizer": {"epochs": 1},
                "checkpoint": {"uri": f"s3://runs/{name}", "everySteps": 100},
                "gang": {"nodes": 2, "devicesPerNode": 1, "deviceResource": "none", "nodeSelector": {"type": "kwok"},
                         "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}]},
            },
        }

    def is_done(self, training):
        return training.get("status", {}).get("state") == "Succeeded"
