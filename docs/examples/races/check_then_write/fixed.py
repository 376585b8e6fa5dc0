"""
Signing up with a claim: a Dict says who came first, and only that one writes.

`put(..., skip_if_exists=True)` writes the key unless it is there and says which, in one step that
nothing can come between. The volume keeps the account for good; the claim only decides between
those who come at the same time, so it does not matter that an entry of a Dict is forgotten seven
days after it was last read or written: by then the file is committed, and the look at it says no.

What this gives up: who dies between claim and commit leaves a name that nobody can have for seven
days. Let the claim say whose it is, as here, and the same person may try again.
"""

from pathlib import Path

import modal

app = modal.App("accounts")
volume = modal.Volume.from_name("accounts", create_if_missing=True)
claims = modal.Dict.from_name("accounts-claims", create_if_missing=True)  # name -> e-mail

ACCOUNTS = Path("/accounts")


@app.function(volumes={str(ACCOUNTS): volume})
def sign_up(name: str, email: str) -> bool:
    """Say whether the name is yours now."""
    volume.reload()
    account = ACCOUNTS / name
    if account.exists():
        return False
    if not claims.put(name, email, skip_if_exists=True) and claims.get(name) != email:
        return False
    account.write_text(email)
    volume.commit()
    return True


@app.function(volumes={str(ACCOUNTS): volume})
def owner(name: str) -> str:
    volume.reload()
    return (ACCOUNTS / name).read_text()
