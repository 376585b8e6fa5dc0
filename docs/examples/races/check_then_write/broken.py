"""
Signing up under a name that must be free, and two people who get the same one.

`sign_up` reloads, sees that nobody has the name, and takes it. Between its look and its commit
another container may do the same: both looked before either committed, both say yes, and the file
of the one who commits last is all that is left. A reload right before the look makes the gap
smaller and does not close it. `open(path, "x")` is no help either: it asks the container's own
view.

Remember: "look, then write" on a volume decides nothing between containers.
"""

from pathlib import Path

import modal

app = modal.App("accounts")
volume = modal.Volume.from_name("accounts", create_if_missing=True)

ACCOUNTS = Path("/accounts")


@app.function(volumes={str(ACCOUNTS): volume})
def sign_up(name: str, email: str) -> bool:
    """Say whether the name is yours now."""
    volume.reload()
    account = ACCOUNTS / name
    if account.exists():
        return False
    account.write_text(email)
    volume.commit()
    return True


@app.function(volumes={str(ACCOUNTS): volume})
def owner(name: str) -> str:
    volume.reload()
    return (ACCOUNTS / name).read_text()
