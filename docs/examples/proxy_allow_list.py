"""
A partner's service that lets in known addresses only: a Proxy gives a function one.

    modal run proxy_allow_list.py --url http://localhost:8080

On Modal, proxies are made in the dashboard; here, by `modal-emulator proxy create office`.
"""

from urllib.error import HTTPError
from urllib.request import urlopen

import modal

app = modal.App("example-proxy-allow-list")


def fetch(url: str) -> str:
    try:
        with urlopen(url, timeout=60) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return f"{error.code} {error.reason}"


@app.function(proxy=modal.Proxy.from_name("office"))
def by_proxy(url: str) -> str:
    return fetch(url)


@app.function()
def directly(url: str) -> str:
    return fetch(url)


@app.local_entrypoint()
def main(url: str) -> None:
    print("by proxy:", by_proxy.remote(url))
    print("directly:", directly.remote(url))
