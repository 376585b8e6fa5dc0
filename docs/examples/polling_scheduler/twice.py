"""
A scheduler that looks every minute for reminders to send. It sends some of them twice.

    modal deploy twice.py

Sending takes a while. When more is due than a minute is enough for, the next run begins before
this one has ended, and takes for unsent what this one has just not come to. `once.py` is the
same without the bug.
"""

import time

import modal

app = modal.App("reminders-twice")
reminders = modal.Dict.from_name("reminders", create_if_missing=True)  # name -> when it is due
sent = modal.Dict.from_name("reminders-sent", create_if_missing=True)  # name -> when it was sent
outbox = modal.Queue.from_name("reminders-outbox", create_if_missing=True)


@app.function(schedule=modal.Cron("* * * * *"))
def poll() -> None:
    """Send what is due and has not been sent."""
    now = time.time()
    for name, due in sorted(reminders.items()):
        if due <= now and name not in sent:
            send(name)
            sent[name] = time.time()


def send(name: str) -> None:
    """Stand for a mail server, which takes its time."""
    time.sleep(25)
    outbox.put(name)
