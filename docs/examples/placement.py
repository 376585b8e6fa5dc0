"""Work that must stay in the European Union, and work that may be anywhere, told by region."""

import os

import modal

app = modal.App("placement-example")
jobs = modal.Queue.from_name("placement-jobs", create_if_missing=True)
reports = modal.Dict.from_name("placement-reports", create_if_missing=True)


def where() -> tuple[str, str]:
    """Return region and cloud of this container."""
    return os.environ["MODAL_REGION"], os.environ["MODAL_CLOUD_PROVIDER"]


@app.function(region=["eu-west-1", "eu-north-1"])
def handle(person: str) -> str:
    """Work on personal data, which may not leave the Union."""
    region, _ = where()
    reports[person] = region
    print(f"{person} in {region}")
    return region


@app.function(region="eu", cloud="gcp")
def summarise() -> tuple[str, str]:
    """Count reports on one provider's machines."""
    return where()


@app.function()
def wait_for_work() -> str:
    """Take the next job, wherever that is, and say where it was done."""
    jobs.get()
    return where()[0]


@app.local_entrypoint()
def main() -> None:
    print(handle.remote("ada"), summarise.remote())
