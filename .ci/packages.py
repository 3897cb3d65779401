"""Build sdist and wheel, and try the wheel in every Python from 3.11 to 3.13 that is here: `make packages`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.12", "3.13")
TELLS = "import sys; print('%d.%d %s' % (*sys.version_info[:2], sys.executable))"


def interpreters() -> Iterator[tuple[str, str | None]]:
    """Each version and its interpreter, on the path or among pyenv's and uv's; None where there is none that runs."""
    homes = (Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python")
    for version in VERSIONS:
        name = f"python{version}"
        kept = (path for home in homes for path in sorted(home.glob(f"*{version}.*/bin/{name}")))
        found = [shutil.which(name), *map(str, kept)]
        yield version, next((path for path in found if path and runs(path, version)), None)


def runs(path: str, version: str) -> bool:
    """Whether it runs, and is what it is called."""
    done = subprocess.run([path, "-c", TELLS], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.startswith(f"{version} ")


def main() -> int:
    """Try them all; 1 where one fails, and where there is none."""
    codes = []
    for version, python in interpreters():
        if python is None:
            print(f"Python {version}: none here, NOT TRIED")
            continue
        environment = os.environ | {"HNDOCTOR_WHEEL_PYTHON": python}
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_wheel.py"]
        codes.append(subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode)
        print(f"Python {version}: {'works' if codes[-1] == 0 else 'FAILS'}", flush=True)
    return 1 if not codes or any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
