"""The throw-away authority: real handshakes, in memory."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from modal_emulator.web.authority import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca.pem")


def handshake(
    server: ssl.SSLContext, trusted: bytes, name: str, alpn: tuple[str, ...] = ()
) -> str | None:
    """Have a client meet the server; return what they agree to speak."""
    context = ssl.create_default_context(cadata=trusted.decode())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = context.wrap_bio(back, there, server_hostname=name)
    called = server.wrap_bio(there, back, server_side=True)
    open_ends = [caller, called]
    while open_ends:
        for end in tuple(open_ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            open_ends.remove(end)
    return caller.selected_alpn_protocol()


@pytest.mark.parametrize("name", ["127.0.0.1", "abc.r5.modal.host", "w--app.modal.run"])
def test_a_client_that_trusts_it_believes_the_server(authority: Authority, name: str) -> None:
    server = authority.server_context("127.0.0.1", "abc.r5.modal.host", "*.modal.run")
    assert handshake(server, authority.certificate, name) is None


def test_another_name_is_not_believed(authority: Authority) -> None:
    server = authority.server_context("abc.r5.modal.host")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'else\.modal\.host'"):
        handshake(server, authority.certificate, "else.modal.host")


def test_another_authority_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get local"):
        handshake(other.server_context("127.0.0.1"), authority.certificate, "127.0.0.1")


def test_the_server_says_what_it_speaks(authority: Authority) -> None:
    server = authority.server_context("127.0.0.1", alpn=("h2", "http/1.1"))
    assert handshake(server, authority.certificate, "127.0.0.1", ("http/1.1", "h2")) == "h2"


def test_the_file_is_there_from_the_first_question_to_the_end(
    authority: Authority, tmp_path: Path
) -> None:
    assert not (tmp_path / "ca.pem").exists()
    assert authority.file.read_bytes() == authority.certificate
    authority.close()
    assert not (tmp_path / "ca.pem").exists()


def test_nobody_who_asks_for_no_tls_pays_for_it() -> None:
    script = "import sys, modal_emulator.emulator.server as s; print('cryptography' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert ran.stdout == b"False\n"
