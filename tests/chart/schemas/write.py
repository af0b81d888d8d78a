"""Writes the schemas that kubeconform checks objects with: `write.py KUBERNETES PROMETHEUS_OPERATOR TARGET`.

The first two are the folders of the Go modules. Every schema stands alone, in GROUP-VERSION-KIND.json, and knows no field that it does not name:
a misspelt field is an error, as it is for the API server with strict validation.
"""

import json
import sys
from pathlib import Path

import yaml

DEFINITIONS = "#/definitions/"
# What the API server reads in other forms than its own description says.
LENIENT = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}


def strict(schema):
    """The schema, with unknown fields refused wherever fields are named."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") is True
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema and not open_ended:
        made["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string") is True:
        made["type"] = ["string", "integer"]
    return made


def references(schema) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"].removeprefix(DEFINITIONS)} if isinstance(schema.get("$ref"), str) else set()
    return own.union(*map(references, schema.values()))


def closure(name: str, definitions: dict) -> dict:
    """A definition and all that it needs."""
    found, wanted = {}, {name}
    while wanted:
        next_one = wanted.pop()
        found[next_one] = definitions[next_one]
        wanted |= references(definitions[next_one]) - set(found)
    return found


def write(target: Path, api_version: str, kind: str, schema: dict) -> None:
    (target / f"{api_version.replace('/', '-')}-{kind.lower()}.json").write_text(json.dumps(schema))


def built_in(kubernetes: Path, target: Path) -> None:
    described = json.loads((kubernetes / "api/openapi-spec/swagger.json").read_text())["definitions"]
    definitions = {name: LENIENT.get(name) or strict(schema) for name, schema in described.items()}
    for name, schema in described.items():
        # An object of its own has one kind; options and the like have one in every group.
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1 and "metadata" in schema.get("properties", {}):
            group, version, kind = (kinds[0][key] for key in ("group", "version", "kind"))
            api_version = f"{group}/{version}" if group else version
            write(target, api_version, kind, {"$ref": DEFINITIONS + name, "definitions": closure(name, definitions)})


def custom(definition: dict, target: Path) -> None:
    spec = definition["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
        write(target, f"{spec['group']}/{version['name']}", spec["names"]["kind"], schema)


def main() -> None:
    kubernetes, prometheus, target = map(Path, sys.argv[1:])
    built_in(kubernetes, target)
    for kind in ("servicemonitors", "podmonitors"):
        custom(json.loads((prometheus / f"jsonnet/prometheus-operator/{kind}-crd.json").read_text()), target)
    for own in (Path(__file__).resolve().parents[3] / "crds/yaml").glob("*.yaml"):
        custom(yaml.safe_load(own.read_text()), target)


if __name__ == "__main__":
    main()
