"""
The house rules that no other tool checks: floors, door-plates, sizes, names, time and chance.

The rules are read off the source, so a rule broken anywhere fails here with file and line. A rule
is one test for all rooms: there are so many that a test for each room would be half of all tests.
"""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).parent.parent
PACKAGES = {
    "modal_emulator": REPOSITORY / "emulator" / "modal_emulator",
    "modal_contracts": REPOSITORY / "contracts" / "modal_contracts",
}

FLOORS = {
    "ground": 0,
    "sdk": 0,
    "hosting": 1,
    "lodging": 1,
    "store": 1,
    "findings": 2,
    "picture": 3,
    "orders": 2,
    "engines": 3,
    "runtime": 3,
    "schedule": 4,
    "world": 5,
    "contents": 2,
    "endpoints": 6,
    "clock": 6,
    "cron": 6,
    "records": 2,
    "keyed": 6,
    "proxy": 6,
    "secret": 6,
    "regions": 6,
    "staging": 6,
    "volume": 6,
    "inline": 7,
    "rpc": 6,
    "web": 6,
    "handles": 6,
    "emulator": 8,
    "guard": 7,
    "races": 9,
    "mutation": 10,
    "pytest_plugin": 10,
    "dashboard": 10,
    "cli": 11,
    "__main__": 12,
}

LONGEST_ROOM = 400
LONGEST_FUNCTION = 45  # forty is the rule, and a signature may be long
LONG_FUNCTIONS = {
    "world.py: open",  # makes one of each thing there is, and does nothing else
}
FORBIDDEN_NAMES = {
    "base",
    "common",
    "core",
    "helpers",
    "manager",
    "models",
    "types",
    "util",
    "utils",
}

# Where a foreign package may be imported; a word is a floor's room or a whole module path.
ONLY_IN = {
    "google": ("inline", "rpc", "runtime"),
    "grpclib": ("rpc", "emulator", "runtime"),  # there, in a container: what the SDK calls with
    "modal_proto": ("inline", "rpc", "runtime"),
    "aiohttp": ("web", "emulator"),
    "click": ("cli",),
    "rich": ("cli",),
    "pytest": ("pytest_plugin",),
    "redis": ("engines",),
    "docker": ("runtime",),
    "hypothesis": ("orders",),
    "trustme": ("web",),
}
NOT_BELOW_RUNTIME = {"asyncio", "modal"}

TIME_AND_CHANCE = {"time", "random", "uuid", "secrets"}
CALLS_OF_TIME = {
    "asyncio.sleep",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "date.today",
    "os.urandom",
}


class Room(NamedTuple):
    """One module, read."""

    package: str
    words: tuple[str, ...]
    path: Path
    tree: ast.Module

    @property
    def name(self) -> str:
        return ".".join((self.package, *self.words))

    @property
    def floor(self) -> str:
        return self.words[0] if self.words else ""


def rooms(package: str) -> Iterator[Room]:
    top = PACKAGES[package]
    for path in sorted(top.rglob("*.py")):
        words = path.relative_to(top).with_suffix("").parts
        if words[-1] == "__init__":
            words = words[:-1]
        yield Room(package, words, path, ast.parse(path.read_text(), str(path)))


@pytest.fixture(scope="module")
def emulator() -> list[Room]:
    return list(rooms("modal_emulator"))


@pytest.fixture(scope="module")
def contracts() -> list[Room]:
    return list(rooms("modal_contracts"))


@pytest.fixture
def both(emulator: list[Room], contracts: list[Room]) -> list[Room]:
    return emulator + contracts


@functools.cache
def imports(room: Room) -> list[tuple[int, str]]:
    """Return line and full name of each imported module, wherever the import stands."""
    return list(imported(room))


def imported(room: Room) -> Iterator[tuple[int, str]]:
    for node in ast.walk(room.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{room.path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield dotted(target), node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield dotted(node.target), node.value


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def definitions(
    tree: ast.AST, private: bool = False
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield public functions and classes, and what is public in those classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (
            private or not node.name.startswith("_")
        ):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from definitions(node, private)


def test_the_house_has_rooms(emulator: list[Room], contracts: list[Room]) -> None:
    assert min(len(emulator), len(contracts)) > 10
    assert {room.floor for room in emulator} <= {"", *FLOORS}


def test_imports_run_down_only(emulator: list[Room]) -> None:
    wrong = []
    for room in emulator:
        if not room.floor:
            continue  # the package's own face may show any floor
        here = FLOORS[room.floor]
        for line, module in imports(room):
            words = module.split(".")
            if words[0] != "modal_emulator" or len(words) < 2 or words[1] not in FLOORS:
                continue
            if words[1] != room.floor and FLOORS[words[1]] >= here:
                wrong.append(f"{room.path}:{line}: {room.floor} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_contracts_know_no_emulator(contracts: list[Room]) -> None:
    wrong = [
        f"{room.path}:{line}: {module}"
        for room in contracts
        for line, module in imports(room)
        if module.split(".")[0] == "modal_emulator"
    ]
    assert not wrong, "\n".join(wrong)


def test_foreign_packages_stay_on_their_floors(emulator: list[Room]) -> None:
    wrong = []
    for room in emulator:
        for line, module in imports(room):
            top = module.split(".")[0]
            allowed = ONLY_IN.get(top)
            if allowed is not None and room.floor not in allowed:
                wrong.append(f"{room.path}:{line}: {module} belongs to {', '.join(allowed)}")
            if top in NOT_BELOW_RUNTIME and room.floor in {"ground", "store", "findings", "orders"}:
                if room.words in {("ground", "clock"), ("ground", "virtual")}:
                    continue  # waiting is asyncio's
                wrong.append(f"{room.path}:{line}: {room.floor} is ordinary synchronous Python")
    assert not wrong, "\n".join(wrong)


def test_time_and_chance_are_handed_in(emulator: list[Room]) -> None:
    wrong = []
    for room in emulator:
        if room.floor == "ground":
            continue
        wrong += [
            f"{room.path}:{line}: imports {module}"
            for line, module in imports(room)
            if module.split(".")[0] in TIME_AND_CHANCE
        ]
        wrong += [
            f"{room.path}:{node.lineno}: calls {dotted(node.func)}"
            for node in ast.walk(room.tree)
            if isinstance(node, ast.Call) and dotted(node.func) in CALLS_OF_TIME
        ]
    assert not wrong, "\n".join(wrong)


def test_a_room_has_a_door_plate(both: list[Room]) -> None:
    plates = {str(room.path): ast.get_docstring(room.tree) for room in both}
    assert not [path for path, plate in plates.items() if not plate], "no docstring"
    begun = {path: plate.splitlines()[0].rstrip() for path, plate in plates.items() if plate}
    assert not [path for path, first in begun.items() if not first], "an empty line opens it"


def test_a_room_says_what_it_offers(both: list[Room]) -> None:
    for room in both:
        if room.path.name in {"__init__.py", "__main__.py"} and len(room.tree.body) == 1:
            continue  # a floor's door-plate and nothing else
        offered = [value for name, value in assignments(room.tree) if name == "__all__"]
        assert offered, f"{room.path}: no __all__"
        names = ast.literal_eval(offered[0])
        assert len(set(names)) == len(names), f"{room.path}: a name stands in __all__ twice"


def test_what_is_public_is_described(both: list[Room]) -> None:
    wrong = [
        f"{room.path}:{node.lineno}: {node.name}"
        for room in both
        for node in definitions(room.tree)
        if not ast.get_docstring(node)
    ]
    assert not wrong, "\n".join(wrong)


def test_rooms_stay_small(both: list[Room]) -> None:
    sizes = {str(room.path): len(room.path.read_text().splitlines()) for room in both}
    wrong = [f"{path}: {lines} lines" for path, lines in sizes.items() if lines > LONGEST_ROOM]
    assert not wrong, "\n".join(wrong)


def test_functions_stay_small(both: list[Room]) -> None:
    wrong = []
    for room in both:
        for node in definitions(room.tree, private=True):
            size = (node.end_lineno or 0) - node.lineno + 1
            if isinstance(node, ast.ClassDef) or size <= LONGEST_FUNCTION:
                continue
            if f"{room.path.name}: {node.name}" not in LONG_FUNCTIONS:
                wrong.append(f"{room.path}: {node.name} has {size} lines")
    assert not wrong, "\n".join(wrong)


def test_a_room_has_a_subject(both: list[Room]) -> None:
    wrong = [str(room.path) for room in both if FORBIDDEN_NAMES & set(room.words)]
    assert not wrong, "a name without a subject"


def test_versions_agree() -> None:
    """The changelog opens with the version that the package carries."""
    from modal_emulator import __version__

    entries = [
        line.split()[1].strip("[]")
        for line in (REPOSITORY / "CHANGELOG.md").read_text().splitlines()
        if line.startswith("## ")
    ]
    assert entries[0] == __version__


PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md")
    for path in REPOSITORY.glob(pattern)
    if not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    targets = {link.partition("#")[0] for link in links if "://" not in link}
    missing = [link for link in targets if link and not (page.parent / link).exists()]
    assert missing == []


def test_readme_gives_one_command_line_each() -> None:
    """CI runs these two lines as they stand there."""
    text = (REPOSITORY / "README.md").read_text()
    for section in ("Quickstart", "Tests"):
        block = re.search(rf"^## {section}$.*?^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        assert block is not None, section
        assert len(block[1].splitlines()) == 1
