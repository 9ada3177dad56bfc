from __future__ import annotations

from engines.transcription.transcript import Segment, Transcript, Word


def segment(text: str, *words: Word) -> Segment:
    return Segment(0, 1, text, 0, (), 0.0, -0.1, 1.0, 0.0, words)


def test_the_text_joins_segments_as_the_model_wrote_them() -> None:
    """Languages without spaces have none between segments either."""
    assert Transcript("en", 2, (segment(" Good"), segment(" morning."))).text == "Good morning."
    assert Transcript("ja", 2, (segment("おはよう"), segment("ございます"))).text == "おはようございます"


def test_without_segments_the_text_is_empty() -> None:
    assert Transcript("en", 2, ()).text == ""


def test_words_are_those_of_all_segments_in_order() -> None:
    one, two, three = (Word(text, 0, 1, 0.9) for text in "abc")
    assert Transcript("en", 2, (segment("a b", one, two), segment("c", three))).words == (one, two, three)
