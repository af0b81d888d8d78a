"""Writes the files of the chart that have their source elsewhere, or with --check tells which of them are out of date.

    templates/crds/    the definitions of crds/yaml, wrapped in what decides whether they are installed and kept
    README.md          the settings, from the comments of values.yaml
"""

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts/splade-operator"

README = """# Chart of splade-operator

Installs the operator, its custom resource definitions, and what watches both. How to install, upgrade and uninstall: docs/install.md.

    helm install splade-operator charts/splade-operator --namespace splade-system --create-namespace

`values.schema.json` refuses a setting that does not exist or makes no sense, and says which.

## Settings

<!-- Made from the comments of values.yaml by `make chart`. -->

| setting | default | what it is |
|---|---|---|
"""

HEAD = """{{{{- if .Values.crds.enabled }}}}
# Made from crds/yaml/{name} by `make chart`.
"""
METADATA = """metadata:
  labels:
    {{- include "splade-operator.labels" . | nindent 4 }}
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
"""


def definition(source: Path) -> str:
    """The template of a definition. Helm must take none of it for its own language."""
    text = source.read_text()
    if "{{" in text:
        raise SystemExit(f"{source}: holds '{{{{', which Helm would take for a template")
    if text.count("\nmetadata:\n") != 1:
        raise SystemExit(f"{source}: has not exactly one metadata at its top")
    return HEAD.format(name=source.name) + text.replace("\nmetadata:\n", "\n" + METADATA, 1).rstrip() + "\n{{- end }}\n"


def settings(text: str) -> list[tuple[str, object, str]]:
    """Path, default and description of every setting that a comment describes, in the order of the file."""
    values = yaml.safe_load(text)
    found, path, words = [], [], None
    for line in text.splitlines():
        comment = re.match(r"\s*# ?(.*)", line)
        if comment:
            begin = re.match(r"-- (.*)", comment[1])
            if begin:
                words = [begin[1]]
            elif words is not None:
                words.append(comment[1])
            continue
        key = re.match(r"( *)([A-Za-z0-9_]+):", line)
        if key:
            path[len(key[1]) // 2 :] = [key[2]]
            if words is not None:
                default = values
                for name in path:
                    default = default[name]
                found.append((".".join(path), default, " ".join(words)))
        words = None
    return found


def readme(text: str) -> str:
    rows = []
    for name, default, words in settings(text):
        shown = json.dumps(default, ensure_ascii=False)
        rows.append(f"| `{name}` | `{shown}` | {words.replace('|', chr(92) + '|')} |\n")
    return README + "".join(rows)


def files() -> dict[Path, str]:
    made = {CHART / "README.md": readme((CHART / "values.yaml").read_text())}
    for source in sorted((ROOT / "crds/yaml").glob("*.yaml")):
        made[CHART / "templates/crds" / source.name] = definition(source)
    return made


def main() -> None:
    made = files()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    stale += [path for path in (CHART / "templates/crds").glob("*") if path not in made]
    if sys.argv[1:] == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} differs from its source; run: make chart", file=sys.stderr)
        sys.exit(bool(stale))
    for path, text in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    for path in set(stale) - set(made):
        path.unlink()


if __name__ == "__main__":
    main()
