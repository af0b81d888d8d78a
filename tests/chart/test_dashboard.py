"""The dashboard: every query asks for a metric that exists, by labels that it has."""

import json
import re
import unittest

from chart import CHART, ROOT, of_kind

# Labels that Prometheus adds to what it scrapes by the chart's ServiceMonitor and PodMonitor.
ADDED = {"namespace", "pod", "neuralsparse_dev_training", "neuralsparse_dev_attempt"}
METRIC = re.compile(r"\bsplade_[a-z0-9_]+\b")
PARTS_OF_HISTOGRAM = {"_bucket": {"le"}, "_sum": set(), "_count": set()}


def documented() -> dict[str, set[str]]:
    """Metrics of docs/observability.md with their labels."""
    found = {}
    for line in (ROOT / "docs/observability.md").read_text().splitlines():
        row = re.match(r"\| `(splade_\w+)` \| (\w+) \| ([^|]*)\|", line)
        if row:
            labels = set(re.findall(r"`(\w+)`", row[3]))
            parts = PARTS_OF_HISTOGRAM if row[2] == "histogram" else {"": set()}
            found |= {row[1] + suffix: labels | more for suffix, more in parts.items()}
    return found


def asked(query: str) -> set[str]:
    """Labels that a query names, in selectors and in aggregations."""
    inside = re.findall(r"\{([^}]*)\}", query)
    selectors = {label for part in inside for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", part)}
    groups = re.findall(r"\b(?:by|without|on|ignoring) \(([^)]*)\)", query)
    return selectors | {label.strip() for group in groups for label in group.split(",")}


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.text = (CHART / "dashboards/splade-operator.json").read_text()
        self.dashboard = json.loads(self.text)
        self.metrics = documented()
        self.panels = [panel for panel in self.dashboard["panels"] if panel["type"] != "row"]

    def test_the_documentation_names_metrics_of_both_programs(self):
        for prefix in ("splade_job_", "splade_operator_"):
            self.assertGreater(sum(name.startswith(prefix) for name in self.metrics), 10)

    def test_every_query_names_metrics_and_labels_that_exist(self):
        for panel in self.panels:
            self.assertTrue(panel["targets"], panel["title"])
            for target in panel["targets"]:
                self.check(panel["title"], target["expr"], target["legendFormat"])
        for variable in self.dashboard["templating"]["list"]:
            if variable["type"] == "query":
                self.check(variable["name"], variable["query"]["query"].removeprefix("label_values"), "")

    def check(self, title: str, query: str, legend: str):
        with self.subTest(title, query=query):
            names = set(METRIC.findall(query))
            self.assertTrue(names, "asks for no metric of ours")
            self.assertLessEqual(names, set(self.metrics), "unknown metric")
            known = ADDED.union(*(self.metrics[name] for name in names))
            self.assertLessEqual(asked(query), known, "unknown label")
            self.assertLessEqual(set(re.findall(r"\{\{(\w+)\}\}", legend)), known, "unknown label in the legend")
            for pair in ("()", "{}", "[]"):
                self.assertEqual(query.count(pair[0]), query.count(pair[1]), query)

    def test_panels_lie_beside_each_other(self):
        taken = {}
        for panel in self.dashboard["panels"]:
            place = panel["gridPos"]
            for x in range(place["x"], place["x"] + place["w"]):
                self.assertLess(x, 24, panel["title"])
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertNotIn((x, y), taken, f"{panel['title']} lies over {taken.get((x, y))}")
                    taken[x, y] = panel["title"]
        self.assertEqual(len({panel["id"] for panel in self.dashboard["panels"]}), len(self.dashboard["panels"]))

    def test_the_chart_hands_it_on_whole(self):
        [config_map] = of_kind("ConfigMap", {"dashboard": {"enabled": True}})
        self.assertEqual(json.loads(config_map["data"]["splade-operator.json"]), self.dashboard)


if __name__ == "__main__":
    unittest.main()
