"""
A scheduler that looks every minute for reminders to send, and sends each of them once.

    modal deploy once.py

Before it sends anything, a run claims it: `put` with `skip_if_exists` writes the key unless it
is there, and says which, in one step that no other run can come between. So two runs that
overlap share the work.

What this gives up: a run that dies between claim and sending leaves a claim and no reminder. At
most once, or at least once: without a mail server that knows what it has sent, nothing is both.
And a claim is forgotten seven days after it was last read or written, so what is due must leave
`reminders` before that.
"""

import time

import modal

app = modal.App("reminders-once")
reminders = modal.Dict.from_name("reminders", create_if_missing=True)  # name -> when it is due
claims = modal.Dict.from_name("reminders-claims", create_if_missing=True)  # name -> who and when
outbox = modal.Queue.from_name("reminders-outbox", create_if_missing=True)


@app.function(schedule=modal.Cron("* * * * *"))
def poll() -> None:
    """Send what is due and nobody has claimed."""
    now = time.time()
    claim = {"call": modal.current_function_call_id(), "at": now}
    for name, due in sorted(reminders.items()):
        if due <= now and claims.put(name, claim, skip_if_exists=True):
            send(name)


def send(name: str) -> None:
    """Stand for a mail server, which takes its time."""
    time.sleep(25)
    outbox.put(name)
