"""``python -m hndoctor``."""

from hndoctor.cli import main

main()
