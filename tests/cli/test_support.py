"""`modal-emulator support`."""

from click.testing import CliRunner

from modal_emulator.cli.main import main


def test_lists_what_is_there() -> None:
    result = CliRunner().invoke(main, ["support"])
    assert result.exit_code == 0
    assert "VolumeCommit" in result.output
    assert "not built" not in result.output


def test_finds_by_part_of_a_name() -> None:
    result = CliRunner().invoke(main, ["support", "volumereload"])
    assert result.exit_code == 0
    assert result.output.splitlines() == ["Volumes", "  VolumeReload  full"]


def test_tells_also_what_is_not_there() -> None:
    result = CliRunner().invoke(main, ["support", "SharedVolumePutFile"])
    assert result.exit_code == 0
    assert "UNIMPLEMENTED" in result.output
    assert "SharedVolumePutFile  not built" in result.output
    assert "TunnelStart" in CliRunner().invoke(main, ["support", "--all"]).output


def test_unknown_name() -> None:
    result = CliRunner().invoke(main, ["support", "Nonsense"])
    assert result.exit_code == 2
    assert "No call of Modal's has 'Nonsense' in its name" in result.output


def test_version_and_help() -> None:
    assert "modal-emulator 0" in CliRunner().invoke(main, ["--version"]).output
    help_text = CliRunner().invoke(main, ["-h"]).output
    assert all(name in help_text for name in ("serve", "exec", "doctor", "support", "Unofficial"))
