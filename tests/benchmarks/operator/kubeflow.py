"""TrainJobs, with Kubeflow Trainer and JobSet."""

import json
import subprocess
import time
from pathlib import Path

from cluster import NAMESPACE, output
from manager import Manager

ADDRESS = "10.77.0.1"
JOBSET, TRAINER = "jobset-system", "kubeflow-system"
RUNTIME = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "ClusterTrainingRuntime",
    "metadata": {"name": "bench", "labels": {"trainer.kubeflow.org/framework": "torch"}},
    "spec": {"mlPolicy": {"numNodes": 1, "torch": {}}, "template": {"spec": {"replicatedJobs": [{
        "name": "node",
        "template": {
            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
            "spec": {"template": {"spec": {
                "nodeSelector": {"type": "kwok"},
                "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
                "containers": [{"name": "node", "image": "localhost/none:1"}],
            }}},
        },
    }]}}},
}


def config(objects):
    """The configuration of a manager in its chart."""
    maps = [one["data"] for one in objects if one["kind"] == "ConfigMap" and "controller_manager_config.yaml" in one["data"]]
    return maps[0]["controller_manager_config.yaml"]


class Kubeflow:
    """Their charts without the Deployments: both managers run beside the API server, with their webhooks."""

    name = "Trainer + JobSet"
    asks_pods = False
    users = [f"system:serviceaccount:{JOBSET}:jobset-controller", f"system:serviceaccount:{TRAINER}:kubeflow-trainer-controller-manager"]
    path = f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{NAMESPACE}/trainjobs"
    label = "jobset.sigs.k8s.io/jobset-name"

    def __init__(self):
        build = Path(__file__).with_name("build.sh")
        subprocess.run([build], check=True)
        self.programs = Path(output([build, "--print"]).strip())
        self.cluster = None

    def install(self, cluster):
        """Definitions, rights and webhooks, and the managers' configurations."""
        self.cluster = cluster
        self.certificate()
        jobset = self.apply("jobset", JOBSET, 9443)
        trainer = self.apply(
            "trainer", TRAINER, 9444, "manager.config.certManagement.enable=false", "manager.config.webhook.port=9444",
            "manager.config.health.healthProbeBindAddress=:8082", "manager.config.metrics.bindAddress=:8444",
            f"manager.config.leaderElection.resourceNamespace={TRAINER}")
        self.commands = [self.command("jobset", JOBSET, self.jobset_config(jobset), jobset),
                         self.command("trainer-controller-manager", TRAINER, config(trainer), trainer)]

    def jobset_config(self, objects):
        """The chart's configuration for a process outside of the cluster."""
        text = config(objects)
        for old, new in (("leaderElect: true", f"leaderElect: true\n  resourceNamespace: {JOBSET}"),
                         ("internalCertManagement:\n  enable: true", "internalCertManagement:\n  enable: false")):
            if old not in text:
                raise SystemExit(f"the chart of JobSet has no {old!r} in its configuration")
            text = text.replace(old, new)
        text += f"webhook: {{port: 9443, certDir: {self.certificates}}}\nmetrics: {{bindAddress: ':8443', certDir: {self.certificates}}}\n"
        return text + "health: {healthProbeBindAddress: ':8081'}\n"

    def launch(self):
        """Starts both managers, and waits until their webhooks answer."""
        managers = [Manager(self.cluster, *command) for command in self.commands]
        for manager, port in zip(managers, (8081, 8082)):
            self.await_ready(manager, port)
        self.await_runtime()
        return managers

    def certificate(self):
        """One for both webhooks, where controller-runtime looks for it below TMPDIR."""
        self.certificates = self.cluster.work / "k8s-webhook-server/serving-certs"
        self.certificates.mkdir(parents=True)
        subject = ["-subj", "/CN=webhooks", "-addext", f"subjectAltName=IP:{ADDRESS}", "-days", "2"]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *subject,
                        "-keyout", self.certificates / "tls.key", "-out", self.certificates / "tls.crt"], check=True, stderr=subprocess.DEVNULL)
        self.authority = output(["base64", "--wrap=0", self.certificates / "tls.crt"])

    def apply(self, chart, namespace, port, *settings):
        """Applies a chart whose webhooks are asked at a port of the control plane; gives all its objects."""
        self.cluster.kubectl("create", "namespace", namespace)
        release = {"jobset": "jobset", "trainer": "kubeflow-trainer"}[chart]
        objects = self.cluster.chart(release, self.programs / "charts" / chart, namespace, *settings)
        for one in objects:
            for webhook in one.get("webhooks", []):
                path = webhook["clientConfig"]["service"]["path"]
                webhook["clientConfig"] = {"url": f"https://{ADDRESS}:{port}{path}", "caBundle": self.authority}
        self.cluster.apply([one for one in objects if one["kind"] not in ("Deployment", "Service", "Secret", "ClusterTrainingRuntime")])
        return objects

    def command(self, program, namespace, text, objects):
        """What a manager is started with: its name, user, command and environment."""
        path = self.cluster.work / f"{program}.yaml"
        path.write_text(text)
        pod = next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]["spec"]
        account = pod["serviceAccountName"]
        user = f"system:serviceaccount:{namespace}:{account}"
        if user not in self.users:
            raise SystemExit(f"{program} runs as {user}, whose requests are not written down")
        arguments = [argument for argument in pod["containers"][0]["args"] if not argument.startswith("--config")]
        environment = {"KUBECONFIG": self.cluster.kubeconfig_of(namespace, account), "TMPDIR": self.cluster.work}
        return program, user, [self.programs / "bin" / program, *arguments, f"--config={path}"], environment

    def await_ready(self, manager, port):
        until = time.monotonic() + 60
        command = self.cluster.inside("curl", "--silent", "--fail", "--max-time", "2", f"http://127.0.0.1:{port}/readyz")
        while subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            manager.check()
            if time.monotonic() > until:
                raise SystemExit(f"{manager.name} is not ready after 60 s: {manager.log}")
            time.sleep(0.5)

    def await_runtime(self):
        """The webhooks answer a little later than the readiness probe."""
        until, text = time.monotonic() + 30, json.dumps(RUNTIME)
        while True:
            try:
                self.cluster.kubectl("apply", "--server-side", "--filename", "-", text=text)
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > until:
                    raise
                time.sleep(1)

    def polls(self):
        return {}

    def manifest(self, number):
        return {
            "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
            "metadata": {"name": f"bench-{number:04}", "namespace": NAMESPACE},
            "spec": {"runtimeRef": {"name": "bench"}, "trainer": {"numNodes": 2, "numProcPerNode": 1, "command": ["train"]}},
        }

    def is_done(self, job):
        return any(one["type"] == "Complete" and one["status"] == "True" for one in job.get("status", {}).get("conditions", []))
