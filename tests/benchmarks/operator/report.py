"""Tables of what has been measured, in Markdown."""

import os
from collections import Counter
from datetime import date
from pathlib import Path

from audit import kinds
from load import percentile

GOALS = "p99 under 2 s, under 64 MiB, nothing but watches and leases at rest"
ALL_RUN = "all run, none answers"
RESTS = ("all run, none answers", "all run and answer the same", "all run and move", "all finished")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def machine():
    model = next(line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {date.today()}"


def latency(values):
    return " / ".join(f"{percentile(values, share):.2f}" for share in (50, 99, 100))


def total(phases, names, program):
    return sum(phase.cpu[program] for phase in phases if phase.name in names)


class Side:
    """The column of one side."""

    def __init__(self, measurement, figures, failures):
        self.name, self.managers = measurement.side.name, [one.name for one in measurement.managers]
        self.phases, self.figures, self.failures = measurement.phases, figures, failures
        self.by_name = {phase.name: phase for phase in measurement.phases}
        names = list(self.by_name)
        self.before_restart = names[names.index("restart") - 1]

    def memory(self, which, phase):
        """MiB of each manager at the end of a phase; a peak is that of its whole life until then."""
        return " + ".join(f"{self.by_name[phase].memory[name][which]:.1f}" for name in self.managers)

    def cpu(self, *names):
        return " + ".join(f"{total(self.phases, names, name):.1f}" for name in self.managers)

    def requests(self, *names):
        counts = Counter()
        for name in names:
            counts += self.by_name[name].requests
        return counts

    def rest(self, name):
        if name not in self.by_name:
            return "-"
        phase = self.by_name[name]
        parts = {kind: number / phase.minutes for kind, number in kinds(phase.requests).items()}
        cpu = sum(phase.cpu[one] for one in self.managers) / phase.minutes
        asked = ", ".join(f"{number / phase.minutes:.0f} {kind}" for kind, number in phase.polls.items() if number)
        asked = f"; pods asked: {asked}" if asked else ""
        return f"{parts['others']:.0f} (and {parts['leases']:.0f} of leases, {parts['watches']:.0f} watches; {cpu:.2f} s CPU{asked})"


def per_training(side, names, count):
    """Rows of requests per training, by verb and resource; leases and watches are not caused by trainings."""
    counts = side.requests(*names)
    rows = [(verb, resource, f"{number / count:.2f}") for (verb, resource), number in counts.most_common()
            if verb != "watch" and resource != "leases" and number / count >= 0.005]
    return rows + [("**all**", "", f"**{kinds(counts)['others'] / count:.2f}**")]


def write(sides, count, rate):
    print(f"\n{count} trainings of 2 nodes, {rate} applies a second; {machine()}. Goals: {GOALS}.\n")
    rows = [
        ("apply to the Job, s: p50 / p99 / max", *(latency(side.figures["job"]) for side in sides)),
        ("apply to both pods, s: p50 / p99 / max", *(latency(side.figures["pods"]) for side in sides)),
        ("answer to the apply, s: p50 / p99 / max", *(latency(side.figures["apply"]) for side in sides)),
        ("the load's own lateness, s", *(f"{side.figures['late']:.2f}" for side in sides)),
        ("processes", *(" + ".join(side.managers) for side in sides)),
        ("memory when all run, MiB", *(side.memory("rss", ALL_RUN) for side in sides)),
        ("of it no pages of files, MiB", *(side.memory("anonymous", ALL_RUN) for side in sides)),
        ("peak memory until the restart, MiB", *(side.memory("peak", side.before_restart) for side in sides)),
        ("memory after a restart, MiB", *(side.memory("rss", "restart") for side in sides)),
        ("peak memory of the restart, MiB", *(side.memory("peak", "restart") for side in sides)),
        ("peak memory of all of it, MiB", *(side.memory("peak", "all finished") for side in sides)),
        ("CPU, s: apply and start", *(side.cpu("apply", "start") for side in sides)),
        ("CPU, s: finish", *(side.cpu("finish") for side in sides)),
        *((f"CPU of {program}, s: apply and start", *(f"{total(side.phases, ('apply', 'start'), program):.1f}" for side in sides))
          for program in ("apiserver", "controller-manager")),
        *((f"requests a minute, {name}", *(side.rest(name) for side in sides)) for name in RESTS),
    ]
    print(table(("", *(side.name for side in sides)), rows))
    for side in sides:
        for title, names in (("until all run", ("apply", "start")), ("until all are finished", ("finish",))):
            print(f"\n{side.name}: requests per training, {title}\n")
            print(table(("verb", "resource", "requests"), per_training(side, names, count)))
        if side.failures:
            print(f"\n{side.name}: refused requests: " + ", ".join(f"{number} {verb} {resource} {code}" for (verb, resource, code), number in side.failures.items()))
        print(f"\n{side.name}: phases\n")
        print(table(("phase", "s", *(f"{name}: CPU s" for name in side.managers), *(f"{name}: MiB" for name in side.managers)), [
            (phase.name, f"{phase.end - phase.begin:.0f}", *(f"{phase.cpu[name]:.2f}" for name in side.managers),
             *(f"{phase.memory[name]['rss']:.1f}" for name in side.managers)) for phase in side.phases]))
