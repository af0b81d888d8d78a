"""Objects: what Kubernetes accepts, with no right and no power that the operator does not need."""

import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml
from chart import CHART, ROOT, conform, merged, objects, of_kind, rendered
from samples import BESIDE, EVERYTHING_OFF, EVERYTHING_ON, OTHERS
from test_values import nested

CONFIGURATIONS = {
    "default": {},
    "off": EVERYTHING_OFF,
    "on": EVERYTHING_ON,
    "cluster": merged(EVERYTHING_ON, {"watchNamespaces": []}),
    "namespaced": {"watchNamespaces": ["search"]},
}
ROLES = ("Role", "ClusterRole")


def pods(values: dict) -> list[dict]:
    """Specs of all pods that the chart makes."""
    return [
        document["spec"] if document["kind"] == "Pod" else document["spec"]["template"]["spec"]
        for document in objects(values)
        if document["kind"] in ("Pod", "Deployment")
    ]


class Objects(unittest.TestCase):
    def test_helm_has_nothing_against_the_chart(self):
        done = subprocess.run(["helm", "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_kubernetes_knows_every_field(self):
        all_values = dict(CONFIGURATIONS)
        for name, other in OTHERS.items():
            all_values[name] = merged(merged(EVERYTHING_ON, BESIDE.get(name, {})), nested(name, other))
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name, values in all_values.items():
                files.append(Path(folder) / f"{name}.yaml")
                files[-1].write_text(rendered(values))
            self.assertEqual(conform(files), "")

    def test_the_check_of_fields_finds_a_wrong_one(self):
        wrong = rendered({}).replace("revisionHistoryLimit: 3", "revisionsHistoryLimit: 3")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(wrong)
            file.flush()
            self.assertIn("revisionsHistoryLimit", conform([Path(file.name)]))

    def test_manifests_that_users_see_conform(self):
        examples = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]["artifacthub.io/crdsExamples"]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump_all(yaml.safe_load(examples), file)
            file.flush()
            self.assertEqual(conform([Path(file.name), *(ROOT / "configs").glob("*.yaml")]), "")

    def test_chart_and_definitions_agree(self):
        announced = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]["artifacthub.io/crds"]
        announced = {crd["name"] for crd in yaml.safe_load(announced)}
        installed = of_kind("CustomResourceDefinition", {})
        self.assertEqual(announced, {crd["metadata"]["name"] for crd in installed})
        for crd in installed:
            source = yaml.safe_load((ROOT / "crds/yaml" / f"{crd['metadata']['name']}.yaml").read_text())
            self.assertEqual(crd["spec"], source["spec"])
            self.assertEqual(crd["metadata"]["annotations"], {"helm.sh/resource-policy": "keep"})

    def test_no_role_has_wildcards_or_reads_secrets(self):
        for name, values in CONFIGURATIONS.items():
            for role in (role for kind in ROLES for role in of_kind(kind, values)):
                for rule in role["rules"]:
                    with self.subTest(name, role=role["metadata"]["name"], rule=rule):
                        self.assertNotIn("*", rule["apiGroups"] + rule["resources"] + rule["verbs"])
                        self.assertNotIn("secrets", rule["resources"])
                        self.assertNotIn("nonResourceURLs", rule)
                        self.assertFalse({"escalate", "bind", "impersonate"} & set(rule["verbs"]))

    def test_with_namespaces_the_operator_has_no_right_elsewhere(self):
        self.assertEqual(of_kind("ClusterRoleBinding", EVERYTHING_ON), [])
        places = {binding["metadata"]["namespace"] for binding in of_kind("RoleBinding", EVERYTHING_ON)}
        self.assertEqual(places, {"search", "research", "splade-system"})

    def test_every_binding_gives_the_account_of_the_pods_a_role_that_exists(self):
        for name, values in CONFIGURATIONS.items():
            made = objects(values)
            roles = {(role["kind"], role["metadata"]["name"]) for role in made if role["kind"] in ROLES}
            [deployment] = [one for one in made if one["kind"] == "Deployment"]
            account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
            for binding in (one for one in made if one["kind"].endswith("RoleBinding")):
                with self.subTest(name, binding=binding["metadata"]["name"]):
                    self.assertIn((binding["roleRef"]["kind"], binding["roleRef"]["name"]), roles)
                    self.assertEqual([subject["name"] for subject in binding["subjects"]], [account])

    def test_the_lease_that_the_operator_wants_is_the_one_it_may_have(self):
        for name, values in CONFIGURATIONS.items():
            [container] = [one for pod in pods(values) for one in pod["containers"] if one["name"] == "operator"]
            [lease] = [one.split("=")[1] for one in container["args"] if one.startswith("--lease-name=")]
            names = [rule.get("resourceNames") for role in of_kind("Role", values) for rule in role["rules"] if "leases" in rule["resources"]]
            with self.subTest(name):
                self.assertIn(names, [[None, [lease]], [] if values is EVERYTHING_OFF else None])

    def test_pods_are_restricted_by_the_rules_of_pod_security(self):
        for name, values in CONFIGURATIONS.items():
            for pod in pods(values):
                with self.subTest(name):
                    self.assertTrue(pod["securityContext"]["runAsNonRoot"])
                    self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                    self.assertFalse(set(pod) & {"hostNetwork", "hostPID", "hostIPC", "volumes"})
                    for container in pod["containers"]:
                        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
                        self.assertEqual(container["securityContext"], wanted)

    def test_selectors_find_the_pods_and_nothing_more(self):
        for name, values in CONFIGURATIONS.items():
            made = objects(values)
            [deployment] = [one for one in made if one["kind"] == "Deployment"]
            [test] = [one for one in made if one["kind"] == "Pod"]
            operator = deployment["spec"]["template"]["metadata"]["labels"].items()
            selectors = [one["spec"]["selector"] for one in made if one["kind"] in ("Service", "PodDisruptionBudget", "Deployment")]
            for selector in selectors:
                labels = selector.get("matchLabels", selector).items()
                with self.subTest(name, selector=selector):
                    self.assertLessEqual(labels, operator)
                    self.assertFalse(labels <= test["metadata"]["labels"].items())

    def test_the_command_is_one_that_the_program_has(self):
        source = "".join((ROOT / f"operator/src/cli/{name}.rs").read_text() for name in ("run", "ready"))
        for pod in pods(EVERYTHING_ON):
            for container in pod["containers"]:
                for argument in container["args"][1:]:
                    field = argument.split("=")[0].removeprefix("--")
                    known = f'long = "{field}"' in source or f"    {field.replace('-', '_')}: " in source
                    self.assertTrue(known, f"splade-operator {container['args'][0]} has no {argument}")


if __name__ == "__main__":
    unittest.main()
