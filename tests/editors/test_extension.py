"""The VS Code extension: what it names exists, its version is ours, and its snippets are programs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from circuitlang import __version__
from circuitlang.language.files import EXTENSIONS
from circuitlang.language.program.load import load_text

FOLDER = Path(__file__).parents[2] / "editors" / "vscode"
FIELD = re.compile(r"\$\{\d+:((?:[^\\}]|\\.)*)\}|\$\d+")
AROUND = {
    "task": "{}",
    "spec": 'task my_task {{ prompt "{{{{x}}}}" case a with x = "1" answer "2" case b with x = "3" answer "4" }}\n{}',
    "corpus": "{}",
    "model": 'corpus my_corpus {{ rule a = "x" document a }}\n{}',
    "case": 'task t {{ prompt "{{{{hole}}}}" {} case b with hole = "x" answer "y" }}',
    "claim": 'task t {{ prompt "x" case a answer "1" case b answer "2" }}\n'
    'spec s {{ task = t model = "zoo:x" {} }}',
}


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def files(value: Any) -> list[str]:
    """Every path of the package's own that a manifest names."""
    if isinstance(value, dict):
        return [path for inner in value.values() for path in files(inner)]
    if isinstance(value, list):
        return [path for inner in value for path in files(inner)]
    return [value] if isinstance(value, str) and value.startswith("./") else []


def test_the_manifest_names_what_is_there() -> None:
    manifest = read("package.json")
    assert len(files(manifest)) == 4
    assert all((FOLDER / path).is_file() for path in files(manifest))
    (language,) = manifest["contributes"]["languages"]
    assert (sorted(language["extensions"]), manifest["version"]) == (sorted(EXTENSIONS), __version__)
    (grammar,) = manifest["contributes"]["grammars"]
    assert (grammar["language"], grammar["scopeName"]) == (language["id"], read(grammar["path"])["scopeName"])
    settings = set(manifest["contributes"]["configuration"]["properties"])
    used = set(re.findall(r'get\("([\w.]+)"', (FOLDER / "extension.js").read_text(encoding="utf-8")))
    assert {f"circuitlang.{name}" for name in used} <= settings


@pytest.mark.parametrize("name", AROUND)
def test_a_snippet_is_a_program_without_mistakes(name: str) -> None:
    body = read("snippets/circuitlang.json")[name]["body"]
    text = body if isinstance(body, str) else "\n".join(body)
    text = FIELD.sub(lambda match: match[1] or "", text).replace("\\}", "}").replace("\\\\", "\\")
    load_text(AROUND[name].format(text), "snippet")


def test_every_snippet_is_tried() -> None:
    assert set(read("snippets/circuitlang.json")) == set(AROUND)


def test_brackets_and_comments_are_those_of_the_language() -> None:
    configuration = read("language-configuration.json")
    assert configuration["comments"] == {"lineComment": "#"}
    more = re.compile(configuration["indentationRules"]["increaseIndentPattern"])
    assert [bool(more.match(line)) for line in ("task t {", "  circuit {  # x", "# {", '  "a {"', "}")] == [
        1,
        1,
        0,
        0,
        0,
    ]


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_the_client_is_javascript() -> None:
    subprocess.run(["node", "--check", str(FOLDER / "extension.js")], check=True)
