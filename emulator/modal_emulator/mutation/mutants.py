"""
Sources with one commit or reload less, one more, or one elsewhere.

A statement that cannot touch storage makes no difference when it is passed, so calls move past it
to the next that may. What would surely show the same as the original is not made: a call that moves
past its like, one that is done twice in a row. A commit is done once more where that publishes half
of what its block writes; a second reload shows what the one after it shows, and is not tried.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from modal_emulator.mutation.sync_points import Call

__all__ = ["Change", "Mutant", "mutants"]


class Change(str, Enum):
    """What is done to a call; the values are what a report says, the names what an option takes."""

    REMOVED = "removed"
    DOUBLED = "doubled"
    """Done one statement earlier, too."""
    EARLIER = "moved up"
    LATER = "moved down"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file with one change."""

    call: Call
    change: Change
    text: str
    """Of the whole file."""


_FIXED = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
    ast.Global,
    ast.Nonlocal,
    ast.Return,
    ast.Raise,
    ast.Break,
    ast.Continue,
)
_LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def mutants(text: str, call: Call) -> Iterator[Mutant]:
    """Yield each change of this call that may make a difference."""
    tree = ast.parse(text)
    found = _find(tree, call)
    if found is None:
        # Only its value is used, and that is None.
        if (node := _value(tree, call)) is not None:
            yield Mutant(call, Change.REMOVED, _replaced(text, node, "None"))
        return
    block, place = found
    statement = block[place]
    yield Mutant(call, Change.REMOVED, _replaced(text, statement, "pass"))
    if (before := _neighbour(block, place, -1, call)) is not None:
        moved = _moved(text, statement, before, above=True)
        if moved is not None:
            if call.method == "commit" and _follows_work(block, before):
                doubled = _moved(text, statement, before, above=True, keep=True)
                assert doubled is not None
                yield Mutant(call, Change.DOUBLED, doubled)
            yield Mutant(call, Change.EARLIER, moved)
    if (after := _neighbour(block, place, 1, call)) is not None:
        moved = _moved(text, statement, after, above=False)
        if moved is not None:
            yield Mutant(call, Change.LATER, moved)


def _find(tree: ast.Module, call: Call) -> tuple[list[ast.stmt], int] | None:
    """Return the block that the call is a statement of, and its place there."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            for place, each in enumerate(block):
                if isinstance(each, ast.Expr) and _place(_bare(each.value)) == _place(call.node):
                    return block, place
    return None


def _bare(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Await) else node


def _place(node: ast.AST) -> tuple[int, int, int | None, int | None]:
    assert isinstance(node, ast.expr)
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _value(tree: ast.Module, call: Call) -> ast.expr | None:
    """Return what to leave out where the call is part of an expression."""
    plain = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Await) and _place(node.value) == _place(call.node):
            return node
        if isinstance(node, ast.Call) and _place(node) == _place(call.node):
            plain = node
    return None if _is_aio(call) else plain


def _is_aio(call: Call) -> bool:
    return isinstance(call.node.func, ast.Attribute) and call.node.func.attr == "aio"


def _neighbour(block: list[ast.stmt], place: int, way: int, call: Call) -> ast.stmt | None:
    """Return the nearest statement that may make a difference, if the call can pass it."""
    names = {node.id for node in ast.walk(block[place]) if isinstance(node, ast.Name)}
    place += way
    while 0 <= place < len(block):
        other = block[place]
        if isinstance(other, _FIXED) or names & _bound_in(other) or _same(other, call):
            return None
        if not _inert(other):
            return other
        place += way
    return None


def _follows_work(block: list[ast.stmt], statement: ast.stmt) -> bool:
    """Say whether a commit before this statement has something of the same block to commit."""
    place = block.index(statement)
    return any(not _inert(each) and not isinstance(each, _FIXED) for each in block[:place])


def _bound_in(statement: ast.stmt) -> set[str]:
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }


def _same(statement: ast.stmt, call: Call) -> bool:
    return isinstance(statement, ast.Expr) and ast.dump(_bare(statement.value)) == ast.dump(
        call.node
    )


def _inert(statement: ast.stmt) -> bool:
    """Say whether a statement surely touches no storage."""
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(value=value) | ast.AnnAssign(value=value) if value is None or all(
            isinstance(node, ast.Constant | ast.Name | ast.expr_context) for node in ast.walk(value)
        ):
            return all(isinstance(node, ast.Name) for node in getattr(statement, "targets", []))
        case ast.Expr(value=ast.Call(func=function, args=args, keywords=keywords)):
            said = (isinstance(function, ast.Name) and function.id == "print") or (
                isinstance(function, ast.Attribute) and function.attr in _LOGGING
            )
            inner = [*args, *(keyword.value for keyword in keywords)]
            return said and not any(
                isinstance(node, ast.Call | ast.Await) for each in inner for node in ast.walk(each)
            )
        case _:
            return False


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """Return the first line of a statement, with its decorators, and the one after its last."""
    assert statement.end_lineno is not None
    return statement.lineno - 1, statement.end_lineno


def _moved(
    text: str, statement: ast.stmt, other: ast.stmt, *, above: bool, keep: bool = False
) -> str | None:
    """Return the text with the statement above or below another; None if they share lines."""
    # As bytes, since that is how the parser counts columns, and so are lines split as it does.
    lines = text.encode().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    first, end = _lines(statement)
    own = lines[first:end]
    start, stop = _lines(other)
    if not (_stands_alone(lines, statement) and _stands_alone(lines, other)):
        return None
    if above:
        rest = lines[first:] if keep else lines[end:]
        moved = [*lines[:start], *own, *lines[start:first], *rest]
    else:
        moved = [*lines[:first], *lines[end:stop], *own, *lines[stop:]]
    return b"".join(moved).decode()


def _stands_alone(lines: list[bytes], statement: ast.stmt) -> bool:
    first, end = _lines(statement)
    head = lines[first][: statement.col_offset]
    tail = lines[end - 1][statement.end_col_offset :].strip()
    return not head.strip() and (not tail or tail.startswith(b"#"))


def _replaced(text: str, node: ast.stmt | ast.expr, new: str) -> str:
    lines = text.encode().splitlines(keepends=True)
    assert node.end_lineno is not None and node.end_col_offset is not None
    head = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    tail = lines[node.end_lineno - 1][node.end_col_offset :]
    return (head + new.encode() + tail + b"".join(lines[node.end_lineno :])).decode()
