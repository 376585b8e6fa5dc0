"""
Where sources commit or reload volumes.

What is a volume is read off the names: bound to something of `modal.Volume`, imported from where it
is, annotated as one, or mounted by `volumes=`. A name stands for the same in all of one file. Code
is parsed and never run.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ["Call", "Source", "Survey", "survey"]

METHODS = {"commit", "reload"}
_TEST_DIRECTORIES = {"test", "tests", "testing"}


@dataclass(frozen=True, slots=True)
class Source:
    """One file, read."""

    path: PurePosixPath
    """Within the project."""
    text: str
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class Call:
    """One call of `commit` or `reload`."""

    path: PurePosixPath
    line: int
    method: str
    receiver: str
    """As it is written, such as `notes` or `self.notes`."""
    within: str
    """The function that it stands in; empty for the module."""
    node: ast.Call
    whole: bool
    """It is a statement of its own, with or without `await`."""
    text: str
    """Its first line."""

    @property
    def where(self) -> str:
        """The place, as editors take it."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found."""

    calls: tuple[Call, ...]
    """On volumes."""
    unknown: tuple[Call, ...]
    """On what may be a volume or not."""
    uncalled: tuple[str, ...]
    """Places where the method is passed on or not awaited, so it cannot be left out in place."""
    broken: tuple[str, ...]
    """Files that could not be read as Python."""


def is_test(path: PurePosixPath) -> bool:
    """Say whether a file belongs to the tests, by its name."""
    name = path.name
    return (
        name.startswith("test_")
        or name.endswith("_test.py")
        or name == "conftest.py"
        or any(part in _TEST_DIRECTORIES for part in path.parts[:-1])
    )


def survey(root: Path, paths: Iterable[PurePosixPath], names: Iterable[str] = ()) -> Survey:
    """
    Look through these files.

    Args:
        root: of the project.
        paths: the files, within it.
        names: receivers that are volumes, besides those that are recognised.
    """
    sources, broken = [], []
    for path in paths:
        try:
            text = (root / path).read_bytes().decode()
            sources.append(Source(path, text, ast.parse(text)))
        except (SyntaxError, ValueError) as error:
            broken.append(f"{path}: {error}")
    volumes = _volumes_of_all(sources)
    known: list[Call] = []
    unknown: list[Call] = []
    uncalled: list[str] = []
    for source in sources:
        mine = volumes[source.path] | set(names)
        for call in _calls(source):
            told = call.receiver in mine or _is_volume(call.node.func, _modal_names(source.tree))
            if call.node.args or call.node.keywords:
                continue  # Modal's take none
            (known if told else unknown).append(call)
        uncalled += _uncalled(source, mine)
    return Survey(tuple(known), tuple(unknown), tuple(uncalled), tuple(broken))


def _volumes_of_all(sources: list[Source]) -> Mapping[PurePosixPath, set[str]]:
    volumes = {source.path: _bound(source.tree) for source in sources}
    modules = {_module(source.path): volumes[source.path] for source in sources}
    for _ in sources:  # names may be handed on from file to file
        before = sum(map(len, volumes.values()))
        for source in sources:
            volumes[source.path] |= set(_imported(source.tree, modules))
            volumes[source.path] |= set(_aliases(source.tree, volumes[source.path]))
        if before == sum(map(len, volumes.values())):
            break
    return volumes


def _module(path: PurePosixPath) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _modal_names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return what the package and its class Volume are called here."""
    packages, classes = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            packages |= {a.asname or a.name for a in node.names if a.name == "modal"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "modal":
            classes |= {a.asname or a.name for a in node.names if a.name == "Volume"}
    return packages, classes


def _is_volume(node: ast.AST | None, modal: tuple[set[str], set[str]]) -> bool:
    """Say whether an expression begins with Modal's class."""
    packages, classes = modal
    while True:
        match node:
            case ast.Name(id=name):
                return name in classes
            case ast.Attribute(value=ast.Name(id=package), attr="Volume") if package in packages:
                return True
            case ast.Attribute(value=inner) | ast.Call(func=inner) | ast.Await(value=inner):
                node = inner
            case ast.Constant(value=str(text)):
                try:
                    node = ast.parse(text, mode="eval").body
                except SyntaxError:
                    return False
            case ast.BinOp(left=left, right=right):  # Volume | None
                return _is_volume(left, modal) or _is_volume(right, modal)
            case ast.Subscript(slice=inner):  # Optional[Volume]
                node = inner
            case _:
                return False


def _bound(tree: ast.Module) -> set[str]:
    modal = _modal_names(tree)
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value) if _is_volume(value, modal):
                names |= {_dotted(target) for target in targets}
            case ast.NamedExpr(target=target, value=value) if _is_volume(value, modal):
                names.add(_dotted(target))
            case ast.AnnAssign(target=target, annotation=annotation, value=value) if _is_volume(
                annotation, modal
            ) or _is_volume(value, modal):
                names.add(_dotted(target))
            case ast.arg(arg=name, annotation=annotation) if _is_volume(annotation, modal):
                names.add(name)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target) if _is_volume(
                value, modal
            ):
                names.add(_dotted(target))
            case ast.keyword(arg="volumes", value=ast.Dict(values=values)):
                names |= {_dotted(_mounted(value)) for value in values}
            case _:
                pass
    return names - {""}


def _mounted(node: ast.expr) -> ast.expr:
    """Return the volume of what is mounted, as in `volume.read_only()`."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return node


def _imported(tree: ast.Module, modules: Mapping[str, set[str]]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                here = alias.asname or alias.name
                if alias.name in _named(node.module or "", modules):
                    yield here
                inner = ".".join(filter(None, (node.module, alias.name)))
                yield from (f"{here}.{name}" for name in _named(inner, modules))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                here = alias.asname or alias.name
                yield from (f"{here}.{name}" for name in _named(alias.name, modules))


def _named(module: str, modules: Mapping[str, set[str]]) -> set[str]:
    """Return the volumes of a module, wherever in the project its package begins."""
    found: set[str] = set()
    for name, volumes in modules.items():
        if module and (name == module or name.endswith(f".{module}")):
            found |= volumes
    return found


def _aliases(tree: ast.Module, volumes: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _dotted(node.value) in volumes:
            yield from filter(None, map(_dotted, node.targets))


def _calls(source: Source) -> Iterator[Call]:
    lines = source.text.encode().splitlines()  # as the parser counts them
    whole = {
        id(node.value.value if isinstance(node.value, ast.Await) else node.value)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Expr)
    }
    for node, within in _walk(source.tree, ""):
        if isinstance(node, ast.Call) and (method := _method(node.func)) is not None:
            yield Call(
                source.path,
                node.lineno,
                method.attr,
                _dotted(method.value) or ast.unparse(method.value),
                within,
                node,
                id(node) in whole,
                lines[node.lineno - 1].decode().strip(),
            )


def _method(function: ast.expr) -> ast.Attribute | None:
    if isinstance(function, ast.Attribute) and function.attr == "aio":
        function = function.value
    if isinstance(function, ast.Attribute) and function.attr in METHODS:
        return function
    return None


def _uncalled(source: Source, volumes: set[str]) -> Iterator[str]:
    called = {
        id(_method(node.func)) for node in ast.walk(source.tree) if isinstance(node, ast.Call)
    }
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in METHODS
            and id(node) not in called
            and _dotted(node.value) in volumes
        ):
            yield f"{source.path}:{node.lineno}: {_dotted(node)}"


def _walk(node: ast.AST, within: str) -> Iterator[tuple[ast.AST, str]]:
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = ".".join(filter(None, (within, child.name))) if named else within  # type: ignore[attr-defined]
        yield child, within
        yield from _walk(child, inner)


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""
