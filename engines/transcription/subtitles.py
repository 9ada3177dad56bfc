"""Segments → subtitles: SubRip (SRT) and WebVTT. Pure: data in, text out.

Without limits every segment is a cue. With limits the words are laid out as openai-whisper does it (SubtitlesWriter in
its utils.py): either the segments stay apart, and lines are broken and cues cut within them; or, where both the width
and the number of lines are limited, the words flow from one cue into the next as long as nobody pauses.

Where SRT or WebVTT give certain characters a meaning, the text is escaped, so that no sentence can break a cue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

from engines.transcription.transcript import Segment, Word

LONG_PAUSE_S = 3.0
"""From the beginning of one word to that of the next: they don't share a cue then. openai-whisper's figure."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class CueLimits:
    """None: no limit. The last two do not always count, as in openai-whisper.

    line_width: characters in a line; a longer word has a line of its own. line_count: lines in a cue; counts only with
    a line_width. words_per_line: words in a cue; counts only while one of the others is None.
    """

    line_width: int | None = None
    line_count: int | None = None
    words_per_line: int | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen from `start` to `end`, in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def srt(segments: Iterable[Segment], limits: CueLimits | None = None) -> str:
    cues = (_block(cue, ",", _srt_line) for cue in layout(segments, limits))
    return "".join(f"{number}\n{cue}" for number, cue in enumerate(cues, start=1))


def vtt(segments: Iterable[Segment], limits: CueLimits | None = None) -> str:
    return "".join(["WEBVTT\n\n", *(_block(cue, ".", _vtt_line) for cue in layout(segments, limits))])


def layout(segments: Iterable[Segment], limits: CueLimits | None) -> Iterator[Cue]:
    """The cues in their order; none is blank. With limits, the segments must have words."""
    cues = map(_whole, segments) if limits is None else _within(limits, segments)
    return (cue for cue in cues if cue.lines)


def _whole(segment: Segment) -> Cue:
    return Cue(segment.start, segment.end, _texts([[segment.text]]))


def _within(limits: CueLimits, segments: Iterable[Segment]) -> Iterator[Cue]:
    flowing = limits.line_width is not None and limits.line_count is not None
    talks = map(_spaced, segments)
    runs = (
        _between_pauses(chain.from_iterable(talks))
        if flowing
        else chain.from_iterable(_pieces(words, limits.words_per_line) for words in talks)
    )
    for run in runs:
        for lines in _pieces(_lines(run, limits.line_width), limits.line_count if flowing else None):
            texts = _texts([word.text for word in line] for line in lines)
            yield Cue(lines[0][0].start, lines[-1][-1].end, texts)


def _spaced(segment: Segment) -> list[Word]:
    """The segment's words with the space that comes before them: not every language has one between words.

    Of words whose times are not known it is only known that they are within the segment.
    """
    if not segment.words:
        return [Word(text, segment.start, segment.end, 1.0) for text in re.findall(r"\s*\S+", segment.text)]
    spaced = []
    reached = 0
    for word in segment.words:
        found = segment.text.find(word.text, reached)
        space = segment.text[reached:found] if found >= 0 else " "
        reached = found + len(word.text) if found >= 0 else reached
        spaced.append(replace(word, text=space + word.text))
    return spaced


def _between_pauses(words: Iterable[Word]) -> Iterator[list[Word]]:
    run: list[Word] = []
    for word in words:
        if run and word.start - run[-1].start > LONG_PAUSE_S:
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _lines(words: list[Word], width: int | None) -> list[list[Word]]:
    """As many words in each line as have room."""
    lines: list[list[Word]] = []
    length = 0
    for word in words:
        if lines and (width is None or length + len(word.text) <= width):
            lines[-1].append(word)
            length += len(word.text)
        else:
            lines.append([word])
            length = len(word.text.strip())
    return lines


def _pieces(items: list[Item], size: int | None) -> Iterator[list[Item]]:
    """At most `size` together."""
    step = size or max(len(items), 1)
    return (items[first : first + step] for first in range(0, len(items), step))


def _texts(lines: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Each line's parts as one text. No line is blank or has line breaks of its own: either would end the cue."""
    tidy = (" ".join("".join(parts).split()) for parts in lines)
    return tuple(line for line in tidy if line)


def _block(cue: Cue, mark: str, escaped: Callable[[str], str]) -> str:
    text = "\n".join(map(escaped, cue.lines))
    return f"{_clock(cue.start, mark)} --> {_clock(cue.end, mark)}\n{text}\n\n"


def _srt_line(line: str) -> str:
    """The arrow makes a line one of times."""
    return re.sub("-{2,}>", "->", line)


def _vtt_line(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, mark: str) -> str:
    """3661.5 as 01:01:01,500. More than 99 hours take more digits."""
    minutes, milliseconds = divmod(round(max(seconds, 0.0) * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}{mark}{milliseconds % 1000:03d}"
