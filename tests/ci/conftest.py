"""A place to run what a CI runs: a `python` that is ours, and a pip that only notes what it was asked."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import dying, healthy

__all__ = ["dying", "healthy"]
ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")


@dataclass(frozen=True)
class Shell:
    """Runs scripts as a CI's runner does: `bash -eo pipefail`, with our interpreter first on the path."""

    folder: Path

    def run(self, script: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        assert BASH is not None
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HNDOCTOR", "INPUT_", "GITHUB_", "GIT_"))}
        kept |= {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        command = [BASH, "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=kept | (env or {}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    @property
    def installed(self) -> str:
        """What pip was asked to install."""
        noted = self.folder / "pip.txt"
        return noted.read_text(encoding="utf-8") if noted.exists() else ""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    if BASH is None or sys.platform == "win32":
        pytest.skip("no bash here")
    tools = tmp_path / "bin"
    tools.mkdir()
    ours = shlex.quote(sys.executable)
    noted = shlex.quote(str(tmp_path / "pip.txt"))
    pip = f'if [ "$1 $2" = "-m pip" ]; then shift 2; echo "$*" >> {noted}; exit 0; fi'
    for name, lines in {"python": f'{pip}\nexec {ours} "$@"', "hndoctor": f'exec {ours} -m hndoctor "$@"'}.items():
        (tools / name).write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    return Shell(tmp_path)
