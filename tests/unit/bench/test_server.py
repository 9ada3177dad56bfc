from __future__ import annotations

import email.parser
import email.policy

from bench.engine.server import request
from bench.engine.words import told


def test_a_request_is_a_form_with_the_fields_and_the_recording() -> None:
    message = request(b"RIFF\r\n\r\n\0", language="en", stream="true")
    head, _, body = message.partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    assert line == b"POST /v1/audio/transcriptions HTTP/1.1"
    parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(fields + b"\r\n\r\n" + body)
    assert int(parsed["content-length"]) == len(body)
    parts = {part.get_param("name", header="content-disposition"): part for part in parsed.iter_parts()}
    assert list(parts) == ["language", "stream", "file"]
    assert parts["language"].get_payload() == "en"
    assert parts["file"].get_filename() == "recording"
    assert b"RIFF\r\n\r\n\0\r\n--" in body


def test_a_stream_tells_the_text_twice() -> None:
    events = (
        'data: {"type":"transcript.text.delta","delta":"one "}\n\n'
        'data: {"type":"transcript.text.delta","delta":"two"}\n\n'
        'data: {"type":"transcript.text.done","text":"one two"}\n\n'
    )
    assert told(events) == ("one two", "one two")
