"""Made-up talk. Times are multiples of 1/64 s: sums of them are exact, so that there are true ties."""

from __future__ import annotations

from hypothesis import strategies as st

from engines.whisperx.conversation import Conversation, Segment, Turn, Word

WHO = ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02", "SPEAKER_03"]
TICK = 1 / 64


@st.composite
def turns(draw: st.DrawFn) -> list[Turn]:
    """They overlap, touch, or lie in each other, also those of the same speaker, and come in no order."""
    spans = st.tuples(st.integers(0, 400), st.integers(0, 120), st.sampled_from(WHO))
    return [Turn(start * TICK, (start + length) * TICK, who) for start, length, who in draw(st.lists(spans))]


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    """In order, with and without words; there may be space around the words, or none between them."""
    talk = []
    now = draw(st.integers(0, 100))
    for _ in range(draw(st.integers(0, 6))):
        begin = now
        words = []
        text = draw(st.sampled_from(["", " "]))
        for _ in range(draw(st.integers(0, 6))):
            now += draw(st.integers(0, 30))
            end = now + draw(st.integers(0, 30))
            words.append(Word(draw(st.sampled_from(["a", "ab", "b", "b,", "今", "é!"])), now * TICK, end * TICK, 0.5))
            text += words[-1].text + draw(st.sampled_from(["", " ", "  ", "\n"]))
            now = end
        now += draw(st.integers(0, 30))
        keep = draw(st.booleans())
        talk.append(Segment(begin * TICK, now * TICK, text, tuple(words) if keep else (), -0.5))
    return talk


def conversation(*segments: Segment, turns: tuple[Turn, ...] = (), names: dict[str, str] | None = None) -> Conversation:
    return Conversation("en", 12.3456, segments, (), turns, names or {})
