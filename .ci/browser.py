"""Install Chromium for the report's browser tests where that is possible; where it is not, the tests say so."""

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Debian and its kin, as root only: nothing else is touched."""
    if any(shutil.which(name) for name in NAMES):
        return
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        print("No Chromium here, and no right to install it: the browser tests will be skipped.")
        return
    print("Installing Chromium for the report's tests ...")
    for what in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        subprocess.run(["apt-get", "-qq", *what], check=False, stdout=subprocess.DEVNULL)


main()
