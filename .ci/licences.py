"""Under which licences does what we install stand?  `python .ci/licences.py [EXTRA...]`, from installed metadata.

Walks what hndoctor and its extras require, as far as it is installed here, and holds each package's licence against the
list below.  Exit 1, and names, where one is not on it or says nothing: then a person reads the licence and decides.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

EXTRAS = ("train", "optimizers", "remote", "dask")  # what a user may install; tools of tests reach nobody
# permissive, or copyleft of single files (MPL): nothing that reaches over to a program that only imports
ALLOWED = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0"),
    *("CC0-1.0", "CNRI-Python", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Python-2.0"),
    *("Unlicense", "Zlib"),
}
SPOKEN = {  # older metadata say it in words
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "apache": "Apache-2.0",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd license": "BSD",
    "historical permission notice and disclaimer (hpnd)": "HPND",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "modified bsd": "BSD-3-Clause",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "zlib/libpng license": "Zlib",
}
NVIDIA = "NVIDIA's own terms: libraries beside torch on Linux with a card, distributed by NVIDIA, by nobody of us"


@dataclass(frozen=True)
class Package:
    """One package as it is installed."""

    name: str
    version: str
    licence: str  # SPDX expression, or as it says itself

    @property
    def allowed(self) -> bool:
        """Every part of an "and", or one of an "or", is on the list."""
        either = re.split(r"\s+OR\s+", self.licence.replace("(", " ").replace(")", " ").strip())
        return any(all(part.strip() in ALLOWED for part in re.split(r"\s+AND\s+", one)) for one in either)


def packages(extras: Sequence[str] = EXTRAS, root: str = "hndoctor") -> Iterator[Package]:
    """Everything that `root` with its extras requires and that is installed, by name."""
    waiting, seen = [(root, frozenset(extras))], dict[str, frozenset[str]]()
    found: dict[str, Package] = {}
    while waiting:
        name, wanted = waiting.pop()
        if name in seen and wanted <= seen[name]:
            continue
        seen[name] = wanted | seen.get(name, frozenset())
        try:
            here = distribution(name)
        except PackageNotFoundError:
            continue  # of another system, or an extra that is not installed
        if name != root:
            found[name] = Package(name, here.version, licence_of(here))
        for text in here.requires or ():
            need = Requirement(text)
            if any(need.marker is None or need.marker.evaluate({"extra": extra}) for extra in (*wanted, "")):
                waiting.append((re.sub(r"[-_.]+", "-", need.name).lower(), frozenset(need.extras)))
    yield from (found[name] for name in sorted(found))


def licence_of(package: Distribution) -> str:
    """Its SPDX expression; else what its classifiers, or its licence field, come to."""
    told = package.metadata
    if expression := told.get("License-Expression"):
        return str(expression)
    classified = [row.rsplit(" :: ", 1)[-1] for row in told.get_all("Classifier", ()) if row.startswith("License :: ")]
    words = [word for word in classified if word != "OSI Approved"] or [str(told.get("License") or "")]
    said = [SPOKEN.get(word.strip().lower(), word.strip().splitlines()[0] if word.strip() else "") for word in words]
    return " OR ".join(said) or "nothing is said"


def main(extras: Sequence[str]) -> int:
    """Print the list; 1 where something is not allowed."""
    found = list(packages(extras or EXTRAS))
    for package in found:
        note = "" if package.allowed or package.name.startswith("nvidia-") else "   <- not on the list"
        print(f"{package.name:32} {package.version:16} {package.licence[:60]}{note}")
    strange = [package for package in found if not package.allowed]
    cards = [package.name for package in strange if package.name.startswith("nvidia-")]
    if cards:
        print(f"{', '.join(cards)}: {NVIDIA}")
    bad = [package.name for package in strange if package.name not in cards]
    print(f"{len(found)} packages; not on the list: {', '.join(bad) or 'none'}")
    return 1 if bad or not found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
