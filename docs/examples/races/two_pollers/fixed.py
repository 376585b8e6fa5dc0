"""
The inbox with claims: a run sends only the letters that it claimed.

`put(..., skip_if_exists=True)` is one step: of two runs that see the same letter, one gets it. A
claim is kept when the letter is removed, so a run with an old view finds it taken. Names of
letters are never used again; entries of a Dict are forgotten seven days after they were last read
or written.

`max_containers=1` keeps runs of one version of the app from overlapping, too. Claims still hold
while a deployment replaces one version by the next and both have a container, and when somebody
calls `poll` by hand in another app.

What this gives up: a run that dies between claim and sending leaves a letter unsent. At most once
or at least once: without a mail server that knows what it has sent, nothing is both.
"""

from pathlib import Path

import modal

app = modal.App("letters")
volume = modal.Volume.from_name("letters", create_if_missing=True)
outbox = modal.Queue.from_name("letters-outbox", create_if_missing=True)
claims = modal.Dict.from_name("letters-claims", create_if_missing=True)  # letter -> by which call

INBOX = Path("/inbox")


@app.function(volumes={str(INBOX): volume}, schedule=modal.Cron("* * * * *"))
def poll() -> None:
    volume.reload()
    for letter in sorted(INBOX.glob("*.txt")):
        if claims.put(letter.name, modal.current_function_call_id(), skip_if_exists=True):
            outbox.put(letter.read_text())  # stands for a mail server
            letter.unlink()
    volume.commit()
