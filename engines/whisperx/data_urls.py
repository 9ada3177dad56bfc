"""`data:` URLs (RFC 2397): how OpenAI's API carries short recordings in a form."""

from __future__ import annotations

import base64
import binascii
from string import whitespace
from urllib.parse import unquote_to_bytes


def parse_data_url(url: str) -> bytes:
    """What is in it, whatever kind it says that it is. Takes a while for some megabytes. Raises ValueError."""
    head, comma, data = url.strip().partition(",")
    if not comma or not head[:5].lower() == "data:":
        raise ValueError("is not a data URL (such as data:audio/wav;base64,UklGRg…)")
    content = data.encode(errors="replace")
    if b"%" in content:
        content = unquote_to_bytes(content)
    if head.rpartition(";")[2].strip().lower() == "base64":
        try:
            content = base64.b64decode(content.translate(None, whitespace.encode()), validate=True)
        except binascii.Error:
            raise ValueError("is not valid base64") from None
    if not content:
        raise ValueError("is empty")
    return content
