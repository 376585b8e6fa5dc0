"""Programs write logs to a volume, and others follow them."""

from boxes import Do, both_versions

OPEN = "there are open files preventing the operation"


@both_versions
def test_a_log_handler_hinders_a_reload_until_it_is_closed(box: Do, top: str) -> None:
    box("log_to", f"{top}/strike.log", 10, 0)
    assert box("reload", top) == f"{OPEN}: path strike.log is open"
    box("let_go")
    assert box("reload", top) == ""
    assert box("shell", f"wc -l < {top}/strike.log").strip() == "10"


def test_rotated_logs_lose_no_line(boxes: tuple[Do, Do]) -> None:
    writer, reader = boxes
    for _ in range(3):
        writer("log_to", "/one/app.log", 200, 1000)
        writer("commit", "/one")
        writer("let_go")
        assert writer("reload", "/one") == ""
    assert reader("reload", "/one") == ""
    assert reader("shell", "cat /one/app.log* | wc -l").strip() == "600"


def test_a_program_that_follows_a_log_hinders_a_reload(box: Do) -> None:
    box("log_to", "/one/app.log", 1, 0)
    box("let_go")
    box("follow", "/one/app.log")
    assert box("reload", "/one") == f"{OPEN}: path app.log is open from 'tail -f /one/app.log'"
    box("let_go")
    assert box("reload", "/one") == ""


def test_processes_count_under_a_lock(box: Do) -> None:
    assert box("count_together", "/one/counter", 4, 25) == 100
