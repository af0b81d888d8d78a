"""Settings: all described, all of use, and nothing accepted that makes no sense."""

import importlib.util
import json
import tomllib
import unittest

import yaml
from chart import CHART, ROOT, Refused, helm, merged, rendered
from samples import BESIDE, EVERYTHING_ON, OTHERS, REFUSED

# Objects of Kubernetes that are handed on as they are; kubeconform looks at what becomes of them.
HANDED_ON = {"affinity.nodeAffinity", "affinity.podAffinity", "affinity.podAntiAffinity", "global"}


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nested(path: str, value) -> dict:
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def open_objects(schema: dict, path: str):
    """Paths of the objects in a schema that take any field."""
    if schema.get("type") == "object" and "additionalProperties" not in schema:
        yield path
    for name, field in schema.get("properties", {}).items():
        yield from open_objects(field, f"{path}.{name}".lstrip("."))
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from open_objects(schema[key], path)


class Values(unittest.TestCase):
    def setUp(self):
        self.text = (CHART / "values.yaml").read_text()
        self.values = yaml.safe_load(self.text)
        self.schema = json.loads((CHART / "values.schema.json").read_text())
        self.described = {name: default for name, default, _ in load("chart-files").settings(self.text)}

    def test_every_setting_is_described(self):
        def walk(values, path):
            for key, value in values.items():
                name = f"{path}{key}"
                if name not in self.described:
                    self.assertTrue(isinstance(value, dict) and value, f"{name} has no comment that begins with --")
                    walk(value, f"{name}.")

        walk(self.values, "")

    def test_the_schema_knows_the_settings_and_no_others(self):
        def compare(values, schema, path):
            known = set(schema["properties"]) - {"global"}
            self.assertEqual(set(values), known, f"settings below {path or 'the top'}")
            for key, value in values.items():
                if f"{path}{key}" not in self.described:
                    compare(value, schema["properties"][key], f"{path}{key}.")

        compare(self.values, self.schema, "")

    def test_no_object_takes_fields_that_nobody_reads(self):
        self.assertEqual(set(open_objects(self.schema, "")), HANDED_ON)

    def test_every_setting_changes_what_is_rendered(self):
        self.assertEqual(set(OTHERS), set(self.described), "samples.py needs another value for every setting, and for nothing else")
        before = rendered(EVERYTHING_ON)
        for name, other in OTHERS.items():
            with self.subTest(name):
                beside = merged(EVERYTHING_ON, BESIDE.get(name, {}))
                # Helm merges maps: the old members have to go.
                if isinstance(other, dict):
                    beside = merged(beside, nested(name, None))
                self.assertNotEqual(rendered(merged(beside, nested(name, other))), before)

    def test_what_makes_no_sense_is_refused_by_name(self):
        for values, words in REFUSED:
            with self.subTest(values=values):
                with self.assertRaises(Refused) as refused:
                    rendered(values)
                for word in words:
                    self.assertIn(word, str(refused.exception))

    def test_versions_are_those_of_the_program(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        self.assertEqual((chart["version"], chart["appVersion"]), (version, version))

    def test_notes_say_what_becomes_of_the_data(self):
        notes = helm("install", {}, "--dry-run=client")
        self.assertIn("leaves the custom resource definitions", notes)
        careless = helm("install", {"crds": {"keep": False}}, "--dry-run=client")
        self.assertIn("deletes the custom resource definitions", careless)


if __name__ == "__main__":
    unittest.main()
