"""However much is told beforehand, the model has room left for the transcript."""

from __future__ import annotations

from typing import Any

import pytest
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from engines.faster.options import ListeningOptions
from engines.faster.settings import FasterSettings
from engines.faster.sharing import SharingModel
from engines.faster.transcriber import Transcriber
from engines.transcription import prompts
from engines.transcription.tape import SAMPLE_RATE, Samples
from tests.unit.engines.faster.transcribers import samples
from tests.unit.engines.recordings import MODEL

pytestmark = pytest.mark.model

MUCH = "the meeting is open " * 400
ROOM = 223
"""Tokens that faster-whisper leaves for what comes before a recording: half of what the decoder holds."""


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber(
        str(MODEL), FasterSettings.from_environment({"WHISPER_MODEL": str(MODEL), "WHISPER_DEVICE": "cpu"})
    )


@pytest.fixture(scope="module")
def models() -> tuple[SharingModel, WhisperModel]:
    """Ours and the library's."""
    return SharingModel(str(MODEL), most=1, workers=1, device="cpu"), WhisperModel(str(MODEL), device="cpu")


@pytest.fixture(scope="module")
def short() -> Samples:
    return samples("en-thanks-goodbye.wav")


@pytest.fixture(scope="module")
def long() -> Samples:
    return samples(*["en-one-two-three-four-five.wav"] * 14)


@pytest.mark.parametrize("prompt", [None, "Hello.", MUCH])
@pytest.mark.parametrize("hotwords", [None, "goodbye", MUCH])
def test_a_recording_is_heard_however_much_is_told_beforehand(
    transcriber: Transcriber, short: Samples, prompt: str | None, hotwords: str | None
) -> None:
    transcriber.listen(short, ListeningOptions(language="en", prompt=prompt, hotwords=hotwords, words=True))


@pytest.mark.parametrize("in_order", [True, False])
def test_a_long_recording_too(transcriber: Transcriber, long: Samples, in_order: bool) -> None:  # noqa: FBT001
    """In order, each window is also told what was said before it, which adds to the hot words."""
    told = ListeningOptions(language="en", prompt=MUCH, hotwords=MUCH, in_order=in_order)
    transcriber.listen(long, told)


@pytest.mark.parametrize("before", [0, 1, 100, ROOM, 1000])
@pytest.mark.parametrize("words", [0, 1, 30, 400])
def test_what_has_room_is_told_as_the_library_tells_it(
    models: tuple[SharingModel, WhisperModel], before: int, words: int
) -> None:
    ours, library = models
    tokenizer = Tokenizer(library.hf_tokenizer, multilingual=True, task="transcribe", language="en")
    previous, hotwords = list(range(before)), "the meeting is open " * words or None
    prompt = ours.get_prompt(tokenizer, previous, hotwords=hotwords)
    theirs = library.get_prompt(tokenizer, previous, hotwords=hotwords)
    assert len(prompt) <= 1 + ROOM + 3
    assert prompt == theirs or len(theirs) > 1 + ROOM + 3


class Noting:
    """A tokenizer that notes how long the longest text was that it has cut into tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.longest = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode(self, text: str, **options: Any) -> Any:
        self.longest = max(self.longest, len(text))
        return self._tokenizer.encode(text, **options)


BOOK = "it was a quiet evening " * 4000


class Overheard:
    """A model that notes the first prompt that it is told."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.told: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, encoded: Any, prompts: list[list[int]], **options: Any) -> Any:
        self.told = self.told or prompts[0]
        return self._model.generate(encoded, prompts, **options)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("told", [{"prompt": BOOK + MUCH}, {"hotwords": MUCH + BOOK}], ids=["prompt", "hotwords"])
def test_a_book_is_not_read_for_the_sake_of_its_end(
    transcriber: Transcriber,
    long: Samples,
    told: dict[str, Any],
    in_order: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tokenizer takes a second for each megabyte, for every batch again, and holds up all other threads meanwhile."""
    tokenizer, model = Noting(transcriber._model.hf_tokenizer), Overheard(transcriber._model.model)
    (name, text) = next(iter(told.items()))
    written = tokenizer.encode(f" {text.strip()}", add_special_tokens=False).ids
    tokenizer.longest = 0
    monkeypatch.setattr(transcriber._model, "hf_tokenizer", tokenizer)
    monkeypatch.setattr(transcriber._model, "model", model)
    options = ListeningOptions(language="en", in_order=in_order, **told)
    transcriber.listen(long[: 35 * SAMPLE_RATE], options)
    assert model.told[1 : ROOM + 1] == (written[-ROOM:] if name == "prompt" else written[:ROOM])
    assert 0 < tokenizer.longest <= prompts.MOST + 1


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        ({"prompt": MUCH}, ROOM),
        ({"hotwords": MUCH}, ROOM),
        ({"prompt": MUCH, "hotwords": "hello good morning team"}, ROOM),
        ({"prompt": "hello", "hotwords": "good morning team"}, 4),
    ],
)
def test_what_the_model_was_not_told_is_not_counted(
    transcriber: Transcriber, short: Samples, told: dict[str, Any], tokens: int
) -> None:
    assert transcriber.listen(short, ListeningOptions(language="en", **told)).prompt_tokens == tokens
