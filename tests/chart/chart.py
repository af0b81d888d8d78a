"""The chart as Helm sees it."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/splade-operator"
NAMESPACE = "splade-system"


class Refused(Exception):
    """Helm has refused the values; the text is what it says."""


def helm(command: str, values: dict, *arguments: str) -> str:
    """The output of a Helm command with these values, or Refused."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        line = ["helm", *command.split(), "release", str(CHART), "--namespace", NAMESPACE, "--values", file.name, *arguments]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refused(done.stderr)
    return done.stdout


def rendered(values: dict) -> str:
    return helm("template", values)


def objects(values: dict) -> list[dict]:
    """What the chart makes of these values."""
    return [document for document in yaml.safe_load_all(rendered(values)) if document]


def of_kind(kind: str, values: dict) -> list[dict]:
    return [document for document in objects(values) if document["kind"] == kind]


def conform(files: list[Path]) -> str:
    """What kubeconform has against objects in files; nothing when all is well. What it has no schema for is an error."""
    location = os.environ["SPLADE_CHART_SCHEMAS"] + "/{{.ResourceAPIVersion}}-{{.ResourceKind}}.json"
    location = location.replace("{{.ResourceAPIVersion}}-", "{{if ne .Group .ResourceAPIVersion}}{{.Group}}-{{end}}{{.ResourceAPIVersion}}-")
    line = ["kubeconform", "-strict", "-schema-location", location, "-output", "text", *map(str, files)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def merged(base: dict, change: dict) -> dict:
    """The values with a change in them, as Helm merges them."""
    both = dict(base)
    for key, value in change.items():
        inner = base.get(key)
        both[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both
