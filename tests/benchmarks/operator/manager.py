"""A manager under measurement: a process, its memory and its CPU time."""

import os
import subprocess
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024.0


def cpu_seconds(process_id):
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(process_id):
    """Resident memory of a process in MiB: the whole, and what is not pages of files."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process_id}/status").read_text().splitlines())
    kib = {name: int(lines[name].split()[0]) for name in ("VmRSS", "VmHWM", "RssAnon")}
    return {"rss": kib["VmRSS"] / MIB, "peak": kib["VmHWM"] / MIB, "anonymous": kib["RssAnon"] / MIB}


class Manager:
    """A running manager."""

    def __init__(self, cluster, name, user, command, environment):
        """`user`: as whom it speaks to the API server; `environment`: beside PATH."""
        self.name, self.user = name, user
        self.log = cluster.work / f"{name}.log"
        environment = {"PATH": os.environ["PATH"], **{key: str(value) for key, value in environment.items()}}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(cluster.inside(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def check(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} has ended with {self.process.returncode}: {self.log}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
