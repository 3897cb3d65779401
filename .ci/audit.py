"""Is a known weakness in what we install?  pip-audit on constraints.txt; exit 1 where there is one.

Without a network, or where the index does not answer for its advisories, nothing is known: that is said, in so many
words, and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ["-m", "pip_audit", "-r", "constraints.txt", "--no-deps", "--disable-pip", "-f", "json"]


def told(report: Mapping[str, Any]) -> tuple[int, str]:
    """Exit code and sentence of pip-audit's report."""
    packages = report["dependencies"]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    weak = [(one, weakness) for one in packages for weakness in one.get("vulns", ())]
    if weak:
        mended = [", ".join(found["fix_versions"]) or "no version" for _, found in weak]
        rows = zip(weak, mended, strict=True)
        told = (f"{one['name']} {one['version']}: {found['id']}, mended in {when}" for (one, found), when in rows)
        return 1, "\n".join(told)
    if len(skipped) == len(packages):
        return 0, f"NOT AUDITED: the index knows no advisories here; nothing is known of {len(packages)} packages"
    known = f"no known weakness in {len(packages) - len(skipped)} packages"
    return 0, known + (f"; NOT AUDITED, unknown to the index: {', '.join(skipped)}" if skipped else "")


def main() -> int:
    """Run and tell."""
    done = subprocess.run([sys.executable, *COMMAND], cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        why = (done.stderr.strip() or "no report").splitlines()[-1]
        print(f"NOT AUDITED: pip-audit could not ask ({why[:200]})")
        return 0
    code, sentence = told(report)
    print(sentence)
    return code


if __name__ == "__main__":
    sys.exit(main())
