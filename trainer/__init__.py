"""The trainer: hypernetworks on diffusers, compatible with AUTOMATIC1111's web UI in every file.  Needs the extra
``hndoctor[train]``.  (`trainer` is also the import name of Coqui's package: do not install both in one environment.)
"""
