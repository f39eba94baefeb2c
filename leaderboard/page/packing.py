"""Compressed parts of the page, which the script unpacks: rows, drawings, BibTeX entries, details of cards, and folded lists."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

__all__ = ["emptied", "pack", "to_json"]

# Nothing inside such an element can end it: names are escaped, and none holds another.
_ELEMENT = re.compile(
    r'(<(svg|pre|details|ul) class="(?:chart|map|bibtex|more|folded)"[^>]*>)(.*?)(?=</\2>)', re.DOTALL
)


def to_json(content: Any) -> str:
    """JSON without spaces; a NaN is an error."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def pack(content: Any) -> str:
    """Content as JSON, compressed by gzip and written in base64."""
    return base64.b64encode(gzip.compress(to_json(content).encode(), 9, mtime=0)).decode()


def emptied(text: str) -> tuple[str, list[str]]:
    """HTML with these elements emptied, and what stood in each, in the order of the page."""
    return _ELEMENT.sub(r"\1", text), [inside for _, _, inside in _ELEMENT.findall(text)]
