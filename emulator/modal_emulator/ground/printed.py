"""
Pages of the documentation that are printed from the code: written anew, or found to be stale.

It is told where a page stands, from the top of a checkout, and does not know what it says.
"""

import sys
from pathlib import Path

__all__ = ["keep_page"]


def keep_page(page: Path, text: str, module: str, arguments: list[str]) -> int:
    """
    Write a page, or, with `--check`, compare it with what it would be; return the exit code.

    `module` is what `python -m` runs to get here, for whoever is told what to run.
    """
    if arguments == ["--check"]:
        if page.is_file() and page.read_text(encoding="utf-8") == text:
            return 0
        print(f"{page} is stale: run `python -m {module}`", file=sys.stderr)
        return 1
    if arguments:
        print(f"usage: python -m {module} [--check]", file=sys.stderr)
        return 2
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    return 0
