"""Elements of XML, with their text escaped; what XML cannot hold is written out."""

from xml.etree.ElementTree import Element, tostring

from modal_emulator.picture.words import plain

__all__ = ["Element", "element", "written"]


def element(tag: str, *inside: "Element | str", **attributes: str | float) -> Element:
    """
    Return an element with this inside.

    An underscore in an attribute's name stands for a hyphen, and one at its end for nothing, so
    that `class_` can be said.
    """
    named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    made = Element(tag, {name: _number(value) for name, value in named.items()})
    last: Element | None = None
    for each in inside:
        if isinstance(each, Element):
            made.append(each)
            last = each
        elif last is None:
            made.text = (made.text or "") + plain(each)
        else:
            last.tail = (last.tail or "") + plain(each)
    return made


def written(root: Element) -> str:
    """Return an element as text that is XML and, within HTML, HTML as well."""
    return tostring(root, encoding="unicode")


def _number(value: str | float) -> str:
    return plain(value) if isinstance(value, str) else f"{value:g}"
