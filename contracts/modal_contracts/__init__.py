"""
Claims about Modal that run unchanged against an emulator and against a live workspace.

Run them with `pytest -p modal_contracts.plugin --pyargs modal_contracts --modal-target NAME`.
This room stays empty: containers import the package, and have no test runner.
"""
