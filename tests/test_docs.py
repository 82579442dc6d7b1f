"""What the documents say stays true: links lead somewhere, commands parse, the two READMEs are in step."""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from gradus_runtime.cli.main import _OWN, _find_commands, _parser

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("*/README.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def names(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(PROJECT)) for p in paths]


def blocks(path: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(path.read_text("utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_link_inside_the_project_leads_to_a_file(document: Path) -> None:
    text = BLOCK.sub("", document.read_text("utf-8"))
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    broken = [t for t in targets if "://" not in t and not (document.parent / t).exists()]
    assert not broken


FOLDERS = "runtime|convert|train|live|tests|docs|config|examples|requirements"
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_file_of_the_project_that_a_document_names_is_there(document: Path) -> None:
    text = BLOCK.sub("", document.read_text("utf-8"))
    assert [path for path in PATH.findall(text) if not (PROJECT / path).exists()] == []


def test_the_layers_that_the_architecture_shows_are_those_that_are_held() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    shown = {part.split("**", 1)[0]: part.split("\n## ")[0] for part in text.split("\n**")[1:]}
    held = [c for c in contracts if c["type"] == "layers" and len(c["containers"]) == 1]
    assert len(held) >= 3
    for contract in held:
        part = shown[contract["containers"][0].removeprefix("gradus_")]
        layers = [name.strip() for layer in contract["layers"] for name in re.split(r"[|:]", layer)]
        found = [name for name in re.findall(r"`(\w+)`", part) if name in layers]
        assert found == layers


def test_the_two_readmes_have_the_same_sections_commands_and_figures() -> None:
    english, japanese = PROJECT / "README.md", PROJECT / "README.ja.md"
    assert blocks(english) == blocks(japanese)

    def shape(path: Path) -> list[str]:
        text = BLOCK.sub("", path.read_text("utf-8"))
        return re.findall(r"^#+(?= )|\]\([^)]*\)|^\* |^\|.*\|$", text, re.MULTILINE)

    languages = {"](README.ja.md)", "](README.md)"}
    assert [s for s in shape(english) if s not in languages] == [
        s for s in shape(japanese) if s not in languages
    ]


def documented_commands() -> list[str]:
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        for language, body in blocks(document):
            if language not in ("sh", "console", "bash"):
                continue
            for line in body.replace("\\\n", " ").splitlines():
                for part in re.split(r"\||&&|;", line.removeprefix("$ ")):
                    words = part.split("#")[0].split()
                    while words and "=" in words[0] and not words[0].startswith("-"):
                        words = words[1:]
                    if words and Path(words[0]).name == "gradus":
                        found[part.split("#")[0].strip()] = None
    return list(found)


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    return _parser(_find_commands(None))


@pytest.mark.parametrize("command", documented_commands())
def test_every_command_in_the_documents_parses(command: str, parser: argparse.ArgumentParser) -> None:
    words = [w for w in shlex.split(re.sub(r"\s[<>]+\s*\S+", "", command)) if w != "..."]
    while "=" in words[0]:
        words = words[1:]
    assert parser.parse_args(words[1:]).run


def test_the_notes_of_decisions_are_numbered_one_by_one() -> None:
    notes = sorted((PROJECT / "docs" / "decisions").glob("*.md"))
    assert [note.name[:5] for note in notes] == [f"{number:04}-" for number in range(1, len(notes) + 1)]
    for number, note in enumerate(notes, 1):
        assert note.read_text("utf-8").startswith(f"# {number}. "), note.name


def test_no_document_names_a_place_of_one_machine() -> None:
    for document in DOCUMENTS:
        assert not re.search(r"(^|[\s`\"'(])/(work|root|home)/", document.read_text("utf-8")), document


PATHS = ("The path of one row", "The path of one model", "The path of the candles")


def steps(text: str, title: str) -> list[tuple[int, str]]:
    """The numbers of the steps below a heading, each with the first file that it names."""
    part = text.split(f"## {title}\n")[1].split("\n## ")[0]
    found = re.findall(r"^(\d+)\. `([^`]+)`", part, re.MULTILINE)
    assert len(found) == len(re.findall(r"^\d+\. ", part, re.MULTILINE)), "a step begins with its file"
    return [(int(number), file) for number, file in found]


@pytest.mark.parametrize("title", PATHS)
def test_the_architecture_walks_a_path_file_by_file_in_order(title: str) -> None:
    found = steps((PROJECT / "docs" / "architecture.md").read_text("utf-8"), title)
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    assert len(found) >= 8
    assert [file for _, file in found if not (PROJECT / file).is_file()] == []


PACKAGES = ("runtime", "convert", "train", "live")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_readme_of_a_package_stands_alone(package: str) -> None:
    """It says how to install it, shows an example, names every command that it brings, and its documents."""
    text = (PROJECT / package / "README.md").read_text("utf-8")
    project = tomllib.loads((PROJECT / package / "pyproject.toml").read_text("utf-8"))["project"]
    assert text.startswith(f"# {project['name']}\n")
    assert re.search(rf"pip install [^`]*\./{package}\b", text)
    assert re.search(r"^```python\n", text, re.MULTILINE)
    commands = {*project.get("entry-points", {}).get("gradus.commands", {})} - {"compact", "import-bundle"}
    if package == "runtime":
        commands |= {*_OWN}
    named = {word for code in re.findall(r"`([^`\n]+)`", BLOCK.sub("", text)) for word in code.split()}
    assert commands - named == set()
    pages = re.findall(r"`(docs/[\w.]+)`", text.split("In the repository:")[1])
    assert len(pages) >= 3
    assert [page for page in pages if not (PROJECT / page).is_file()] == []
