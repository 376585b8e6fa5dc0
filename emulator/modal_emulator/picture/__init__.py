"""
A run as a picture: containers and volumes side by side, one step below the other.

`draw_html` makes a page of its own, `draw_svg` the drawing alone, `draw_text` some lines for a
terminal. They read a story and its findings, and know nothing of where these come from.
"""

from modal_emulator.picture.page import draw_html
from modal_emulator.picture.svg import draw_svg
from modal_emulator.picture.text import draw_text

__all__ = ["draw_html", "draw_svg", "draw_text"]
