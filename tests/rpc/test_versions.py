import logging

from modal_emulator.rpc.versions import NEWEST_KNOWN, Versions


def seen(caplog, *calls: tuple[str, str]) -> list[str]:
    versions = Versions()
    with caplog.at_level(logging.WARNING, logger="modal_emulator"):
        for kind, version in calls:
            versions.see({"x-modal-client-type": kind, "x-modal-client-version": version})
    return caplog.messages


def test_a_newer_sdk_is_accepted_with_one_warning(caplog):
    (warning,) = seen(caplog, ("1", "99.1.0"), ("3", "99.1.0"))
    assert "99.1.0 is newer than" in warning


def test_known_versions_and_other_languages_pass_in_silence(caplog):
    assert seen(caplog, ("1", NEWEST_KNOWN), ("1", "1.0.0"), ("8", "99.0.0"), ("1", "odd")) == []
