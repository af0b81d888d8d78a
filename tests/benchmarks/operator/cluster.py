"""The cluster of a measurement: tests/infra/kubernetes without real nodes, with an audit log of the managers' requests."""

import json
import os
import subprocess
import time
from pathlib import Path

from api import Api

ROOT = Path(__file__).resolve().parents[3]
INFRA = ROOT / "tests/infra/kubernetes"
NAMESPACE = "trainings"
# The Job controller may send 20 requests a second by default: not enough for 20 pods a second, whoever asks for them.
CONTROLLER_FLAGS = "--kube-api-qps=300 --kube-api-burst=600"


def output(command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


class Cluster:
    """A running cluster."""

    def __init__(self, nodes, users):
        """`nodes`: how many kwok has; `users`: whose requests are written down."""
        self.name = os.environ.get("SPLADE_CLUSTER", "bench")
        defaults = {"SPLADE_CLUSTER": self.name, "SPLADE_CLUSTER_PORT": "26443", "SPLADE_CLUSTER_S3_PORT": "29000", "SPLADE_CLUSTER_NODES": " "}
        cache = os.environ.get("SPLADE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "splade-operator"
        self.run = Path(os.environ.get("SPLADE_CLUSTER_RUN", Path(cache) / "cluster-run")) / self.name
        self.work = self.run / "bench"
        self.audit_log = self.work / "audit.log"
        api_flags = f"--audit-policy-file={self.work}/audit.json --audit-log-path={self.audit_log} --audit-log-maxsize=4000"
        self.environment = {**defaults, **os.environ, "SPLADE_CLUSTER_API_FLAGS": api_flags, "SPLADE_CLUSTER_CONTROLLER_FLAGS": CONTROLLER_FLAGS}
        self.down()
        self.work.mkdir(parents=True)
        rules = [{"level": "Metadata", "users": users}, {"level": "None"}]
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
        (self.work / "audit.json").write_text(json.dumps(policy))
        subprocess.run([INFRA / "up.sh", "cluster", f"fake-nodes={nodes}"], check=True, env=self.environment)
        self.bin = Path(output([INFRA / "build.sh", "--print"]).strip()) / "bin"
        self.admin = self.config("admin")
        self.api = Api(self.config_as("https://127.0.0.1:" + (self.run / "api-port").read_text().strip()))
        # kwok would end the pods of Jobs by itself; here the measurement says when.
        self.kubectl("delete", "stage", "pod-complete")
        self.kubectl("create", "namespace", NAMESPACE)

    def config(self, user):
        return json.loads(self.kubectl("config", "view", "--raw", "--output", "json"))

    def config_as(self, server, token=None):
        """The administrator's kubeconfig for another server's address, or for another user."""
        config = json.loads(json.dumps(self.admin))
        config["clusters"][0]["cluster"]["server"] = server
        if token is not None:
            config["users"][0]["user"] = {"token": token}
        return config

    def inside(self, *command):
        """A command in the network of the control plane."""
        return ["nsenter", f"--net=/run/netns/{self.name}-cp", *map(str, command)]

    def kubectl(self, *arguments, text=None):
        return output(self.inside(self.bin / "kubectl", f"--kubeconfig={self.run}/pki/admin.conf", *arguments), input=text)

    def route(self, *arguments):
        subprocess.run(["ip", "-n", f"{self.name}-cp", *arguments], check=True)

    def chart(self, release, folder, namespace, *settings):
        """Objects of a chart, its definitions included."""
        text = output([self.bin / "helm", "template", release, folder, "--namespace", namespace, "--include-crds",
                       *(part for setting in settings for part in ("--set", setting))])
        text = self.kubectl("create", "--dry-run=client", "--validate=false", "--output", "json", "--filename", "-", text=text)
        objects, decoder, text = [], json.JSONDecoder(), text.strip()
        while text:
            found, end = decoder.raw_decode(text)
            objects.extend(found["items"] if found["kind"] == "List" else [found])
            text = text[end:].strip()
        return objects

    def apply(self, objects):
        """Applies objects in their order and waits until definitions are served."""
        definitions = [one for one in objects if one["kind"] == "CustomResourceDefinition"]
        others = [one for one in objects if one["kind"] != "CustomResourceDefinition"]
        for group in (definitions, others):
            if group:
                text = json.dumps({"apiVersion": "v1", "kind": "List", "items": group})
                self.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", text=text)
        for definition in definitions:
            self.kubectl("wait", "--for=condition=Established", f"crd/{definition['metadata']['name']}", "--timeout=30s")

    def kubeconfig_of(self, namespace, account):
        """A kubeconfig file of a service account, for a process in the control plane's network."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86400}}
        answer = self.api.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", body)
        path = self.work / f"{account}.conf"
        path.write_text(json.dumps(self.config_as(self.admin["clusters"][0]["cluster"]["server"], answer["status"]["token"])))
        path.chmod(0o600)
        return path

    def process_id(self, program):
        """The id of a program of the control plane."""
        return int((self.run / "pid" / program).read_text().split()[0])

    def await_gone(self, seconds, path, **query):
        """Waits until a list with these selectors is empty."""
        until = time.monotonic() + seconds
        while self.api.any_left(path, **query):
            if time.monotonic() > until:
                raise SystemExit(f"after {seconds} s something is left in {path} {query}")
            time.sleep(1)

    def down(self):
        subprocess.run([INFRA / "down.sh"], check=True, env=self.environment)
