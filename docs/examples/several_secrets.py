"""
What holds when several secrets set the same variable.

    modal run several_secrets.py

Secrets apply in the order of the list and a later one wins; `env=` wins over all of them.
"""

import os

import modal

app = modal.App("example-several-secrets")

defaults = modal.Secret.from_dict({"REGION": "eu", "LOG_LEVEL": "warning", "RETRIES": "3"})
staging = modal.Secret.from_dict({"LOG_LEVEL": "info", "RETRIES": "5"})

KEYS = ("REGION", "LOG_LEVEL", "RETRIES")


@app.function(secrets=[defaults, staging])
def later_wins() -> dict[str, str]:
    return {key: os.environ[key] for key in KEYS}


@app.function(secrets=[staging, defaults])
def the_other_way_round() -> dict[str, str]:
    return {key: os.environ[key] for key in KEYS}


@app.function(secrets=[defaults, staging], env={"RETRIES": "0"})
def env_wins() -> dict[str, str]:
    return {key: os.environ[key] for key in KEYS}


@app.local_entrypoint()
def main() -> None:
    print("[defaults, staging]:           ", later_wins.remote())
    print("[staging, defaults]:           ", the_other_way_round.remote())
    print("[defaults, staging] and env=:  ", env_wins.remote())
