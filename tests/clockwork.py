"""An app with schedules, deployed by tests of the clock."""

import modal

app = modal.App("clockwork")


@app.function(schedule=modal.Cron("0 2 * * *"))
def nightly() -> None:
    print("nightly")


@app.function(schedule=modal.Period(hours=12))
def twice() -> None:
    print("twice")


@app.function()
def unscheduled() -> None:
    print("unscheduled")
