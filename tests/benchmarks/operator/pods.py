"""What stands behind the addresses of kwok's pods, and when these pods end."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

from load import PODS

# kwok makes up its pods' addresses from here.
ADDRESSES = "10.0.0.0/16"
MESSAGE = json.dumps({"outcome": "Succeeded", "exitCode": 0, "step": 1000, "totalSteps": 1000,
                      "checkpoint": "s3://runs/attempt-0001/step-00001000"})
AT_ONCE = 16


class Network:
    """Pods that do not answer, or all answer the same."""

    def __init__(self, cluster):
        self.cluster, self.server = cluster, None
        # A bridge to nowhere loses every packet without a word, as a pod does whose node is gone.
        cluster.route("link", "add", "silent", "type", "bridge")
        cluster.route("link", "set", "silent", "arp", "off", "up")
        cluster.route("route", "add", ADDRESSES, "dev", "silent")

    def answer(self, mode):
        """Pods answer to the question for their progress, from now on: `still` or `moving`."""
        self.end()
        self.cluster.route("route", "replace", "local", ADDRESSES, "dev", "lo", "table", "local")
        script = Path(__file__).with_name("progress.py")
        self.server = subprocess.Popen(self.cluster.inside(sys.executable, script, mode), stdin=subprocess.DEVNULL)

    def end(self):
        if self.server is not None:
            self.server.terminate()
            self.server.wait()
            self.server = None


def succeeded(container):
    """The status of a pod that has done its work."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now, "message": MESSAGE}
    name, image = container["name"], container["image"]
    state = {"name": name, "image": image, "imageID": "", "ready": False, "restartCount": 0, "started": False, "state": {"terminated": ended}}
    return {"status": {"phase": "Succeeded", "containerStatuses": [state]}}


def finish(api, rate):
    """Lets every pod end well, so many a second, as the kubelets would say it."""
    pods = api.request("GET", PODS)["items"]
    begin = time.monotonic()

    def end(numbered):
        number, pod = numbered
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        path = f"{PODS}/{pod['metadata']['name']}/status"
        api.request("PATCH", path, succeeded(pod["spec"]["containers"][0]), content="application/merge-patch+json")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(end, enumerate(pods)))
