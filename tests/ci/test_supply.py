"""The list of licences and the audit say what there is, and what is not known."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def program(name: str) -> ModuleType:
    """A program of .ci, which is no package."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(ROOT / ".ci"))  # as Python does for a program: what lies beside it can be imported
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / ".ci"))
    return module


licences, audit = program("licences"), program("audit")


def test_everything_that_is_installed_with_hndoctor_stands_under_a_licence_of_the_list(capsys) -> None:
    assert licences.main([]) == 0
    told = capsys.readouterr().out
    for name in ("numpy", "pillow", "torch", "typer"):
        assert f"\n{name} " in f"\n{told}"


class Made(Distribution):
    """A package that says of itself what a test wants."""

    def __init__(self, metadata: str) -> None:
        self.said = "Metadata-Version: 2.1\nName: made\nVersion: 1\n" + metadata

    def read_text(self, filename: str) -> str | None:
        return self.said if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("metadata", "licence", "allowed"),
    [
        ("License-Expression: MIT AND BSD-3-Clause\n", "MIT AND BSD-3-Clause", True),
        ("License-Expression: MIT AND GPL-3.0-only\n", "MIT AND GPL-3.0-only", False),
        ("License-Expression: Apache-2.0 OR GPL-3.0-only\n", "Apache-2.0 OR GPL-3.0-only", True),
        ("License-Expression: Apache-2.0 WITH LLVM-exception\n", "Apache-2.0 WITH LLVM-exception", True),
        ("Classifier: License :: OSI Approved :: MIT License\n", "MIT", True),
        ("Classifier: License :: OSI Approved\nLicense: Apache 2.0\n", "Apache-2.0", True),
        ("License: Copyright 2001, all rights reserved\n", "Copyright 2001, all rights reserved", False),
        ("", "nothing is said", False),
    ],
)
def test_a_licence_is_read_as_it_is_told_and_silence_is_not_allowed(metadata: str, licence: str, allowed: bool) -> None:
    said = licences.licence_of(Made(metadata))
    assert (said, licences.Package("made", "1", said).allowed) == (licence, allowed)


def test_a_licence_off_the_list_turns_it_red(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    found = [licences.Package("good", "1", "MIT"), licences.Package("bad", "2", "GPL-3.0-only")]
    monkeypatch.setattr(licences, "packages", lambda extras: iter(found))
    assert licences.main([]) == 1
    assert "not on the list: bad" in capsys.readouterr().out


def reported(*packages: dict[str, object]) -> dict[str, object]:
    return {"dependencies": list(packages)}


SOUND = {"name": "a", "version": "1", "vulns": []}
UNKNOWN = {"name": "b", "skip_reason": "not found"}
WEAK = {"name": "c", "version": "2", "vulns": [{"id": "CVE-2099-1", "fix_versions": ["2.1"]}]}


def test_the_audit_is_red_for_a_weakness_only() -> None:
    assert audit.told(reported(SOUND, UNKNOWN, WEAK)) == (1, "c 2: CVE-2099-1, mended in 2.1")
    assert audit.told(reported(SOUND, UNKNOWN)) == (
        0, "no known weakness in 1 packages; NOT AUDITED, unknown to the index: b",
    )  # fmt: skip
    assert audit.told(reported(SOUND)) == (0, "no known weakness in 1 packages")


def test_an_audit_that_learnt_nothing_says_so() -> None:
    code, said = audit.told(reported(UNKNOWN))
    assert code == 0
    assert said.startswith("NOT AUDITED")


def test_no_network_is_said_and_no_failure(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    lost = subprocess.CompletedProcess([], 1, "", "Traceback\nConnectionError: no route to host")
    monkeypatch.setattr(subprocess, "run", lambda *words, **more: lost)
    assert audit.main() == 0
    assert capsys.readouterr().out == "NOT AUDITED: pip-audit could not ask (ConnectionError: no route to host)\n"
