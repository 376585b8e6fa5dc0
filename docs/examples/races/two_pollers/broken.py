"""
An inbox on a volume that is emptied every minute, and letters that are sent twice.

`poll` sends what lies in the inbox, removes it, and commits. When one run takes longer than a
minute the next one begins in another container: its view still has the letters that the first one
is about to send, because nothing was committed yet. The same happens when the first run is done
but the second container is warm and has not reloaded.

Remember: a look at a volume tells what is to do, not that nobody else is doing it. Claim first.
"""

from pathlib import Path

import modal

app = modal.App("letters")
volume = modal.Volume.from_name("letters", create_if_missing=True)
outbox = modal.Queue.from_name("letters-outbox", create_if_missing=True)

INBOX = Path("/inbox")


@app.function(volumes={str(INBOX): volume}, schedule=modal.Cron("* * * * *"))
def poll() -> None:
    volume.reload()
    for letter in sorted(INBOX.glob("*.txt")):
        outbox.put(letter.read_text())  # stands for a mail server
        letter.unlink()
    volume.commit()
