"""One side from its first apply to its last pod, and what its managers did in each phase."""

import time
from dataclasses import dataclass, field

import pods
from audit import Audit
from load import PODS, Load
from manager import cpu_seconds, memory

# Until what a phase begins with has been dealt with.
SETTLE = 15
# How fast pods end.
PODS_A_SECOND = 60


@dataclass
class Phase:
    """A span of time, and what the managers' processes took in it."""

    name: str
    begin: float
    end: float
    cpu: dict
    memory: dict
    polls: dict
    requests: dict = field(default_factory=dict)

    @property
    def minutes(self):
        return (self.end - self.begin) / 60


class Measurement:
    """The phases of one side."""

    def __init__(self, cluster, side, network):
        self.cluster, self.side, self.network = cluster, side, network
        side.install(cluster)
        self.managers, self.phases = side.launch(), []
        self.control_plane = {program: cluster.process_id(program) for program in ("apiserver", "controller-manager")}

    def cpu(self):
        ids = {**{one.name: one.process.pid for one in self.managers}, **self.control_plane}
        return {name: cpu_seconds(process_id) for name, process_id in ids.items()}

    def phase(self, name, work):
        """Does work and writes down what it took."""
        print(f"{self.side.name}: {name}", flush=True)
        cpu, polls, begin, first = self.cpu(), self.side.polls(), time.time(), self.managers
        work()
        if self.managers is not first:
            cpu, polls = {**cpu, **{one.name: 0.0 for one in self.managers}}, {}
        end, now, asked = time.time(), self.cpu(), self.side.polls()
        for manager in self.managers:
            manager.check()
        self.phases.append(Phase(
            name, begin, end, {one: now[one] - cpu[one] for one in now},
            {one.name: memory(one.process.pid) for one in self.managers},
            {kind: asked[kind] - polls.get(kind, 0.0) for kind in asked}))

    def rest(self, name, seconds):
        self.phase(name, lambda: time.sleep(seconds))

    def run(self, count, rate, seconds):
        """All phases; `seconds` of rest in each that has any."""
        load = Load(self.cluster.api, self.side, count, rate)
        self.phase("apply", lambda: load.run(patience=120))
        self.phase("start", lambda: (self.cluster.await_gone(240, PODS, fieldSelector="status.phase!=Running"), time.sleep(SETTLE / 2)))
        self.rest("all run, none answers", seconds)
        if self.side.asks_pods:
            self.network.answer("still")
            self.rest("settle", SETTLE)
            self.rest("all run and answer the same", seconds)
            self.network.answer("moving")
            self.rest("all run and move", seconds / 3)
            self.network.answer("still")
        self.phase("restart", self.restart)
        self.phase("finish", self.finish)
        self.rest("all finished", seconds)
        return load.figures()

    def restart(self):
        """Others take over: they read at once what the first have seen come."""
        for manager in self.managers:
            manager.stop()
        self.managers = self.side.launch()
        time.sleep(SETTLE / 2)

    def finish(self):
        pods.finish(self.cluster.api, PODS_A_SECOND)
        self.cluster.await_gone(180, PODS, fieldSelector="status.phase!=Succeeded")
        until = time.monotonic() + 180
        while not all(map(self.side.is_done, self.cluster.api.request("GET", self.side.path)["items"])):
            if time.monotonic() > until:
                raise SystemExit(f"{self.side.name}: some are not done 180 s after their last pod")
            time.sleep(3)
        time.sleep(SETTLE / 2)
        self.network.end()

    def end(self):
        """Fills in the requests and stops the managers; what they made is deleted."""
        audit = Audit(self.cluster.audit_log)
        for phase in self.phases:
            phase.requests = audit.between(phase.begin, phase.end, self.side.users)
        self.cluster.api.request("DELETE", f"{self.side.path}?propagationPolicy=Background")
        self.cluster.await_gone(240, PODS)
        self.cluster.await_gone(240, self.side.path)
        for manager in self.managers:
            manager.stop()
        return audit.failures(self.phases[0].begin, self.phases[-1].end, self.side.users)
