"""
Three places that a secret can come from.

    modal secret create example-mail SMTP_PASSWORD=hunter2
    modal run where_secrets_come_from.py

- `from_name`: kept by Modal, made by `modal secret create` or in the dashboard.
- `from_dict`: made by this file, for this app. The value is in your source, or in what it reads.
- `from_dotenv`: read from a file on your machine when the app starts, for work on your machine. By
  default that file is `.env`, and git should not know it; the one here is for the example.
"""

import os

import modal

app = modal.App("example-where-secrets-come-from")

mail = modal.Secret.from_name("example-mail", required_keys=["SMTP_PASSWORD"])
settings = modal.Secret.from_dict({"LOG_LEVEL": "info"})
development = modal.Secret.from_dotenv(__file__, filename="development.env")

KEYS = ("SMTP_PASSWORD", "LOG_LEVEL", "SMTP_USER", "SIGNATURE")


@app.function(secrets=[mail, settings, development])
def lengths() -> dict[str, int]:
    """Return how long each value is: the values themselves are nobody's business."""
    return {key: len(os.environ[key]) for key in KEYS}


@app.local_entrypoint()
def main() -> None:
    for key, length in lengths.remote().items():
        print(f"{key}: {length} characters")
