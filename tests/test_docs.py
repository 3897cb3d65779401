"""The manual builds without a warning, and has a page for every rule and a line for every setting."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hndoctor.rules import RULES
from trainer.config import KEYS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manual, built as `make docs` builds it."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return out


def test_every_rule_has_its_page(site: Path) -> None:
    for law in RULES:
        page = (site / "rules" / f"{law.code}.html").read_text(encoding="utf-8")
        assert law.name in page
    assert not list(site.glob("**/*.py"))


def test_every_setting_is_told(site: Path) -> None:
    page = (site / "settings.html").read_text(encoding="utf-8")
    assert [key for key in KEYS if f"<code>{key}</code>" not in page] == []
    assert "Path(" not in page  # defaults are told as TOML writes them
    assert "gets the folder &lt;name&gt;/" in page


def test_the_pages_ask_nothing_of_the_network(site: Path) -> None:
    for page in (site / "index.html", site / "ja" / "index.html"):
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text
        assert 'rel="stylesheet" href="http' not in text


def test_the_labs_figures_stand_in_the_manual_as_in_the_readme(site: Path) -> None:
    page = (site / "diagnosis.html").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = readme[readme.index("- **The diagnosis in the lab**") :]
    figures = re.findall(r"\d+/\d+ = \d\.\d\d \[[^]]+\]", told)
    assert len(figures) >= 8
    assert [figure for figure in figures if figure not in page] == []
    assert "<table>" in page
    assert "the lab's figures" not in page
