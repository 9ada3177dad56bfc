from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel

from bench.engine import model

TOKENS = 25
SOUND = np.random.default_rng(1).standard_normal(5 * 16_000, dtype=np.float32) / 100


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> WhisperModel:
    """Wide enough to be sure of its words, and shallow to be soon made."""
    folder = model.write(tmp_path_factory.mktemp("model") / "shaped", model.Shape("shallow", 384, 1, 6), TOKENS)
    return WhisperModel(str(folder), device="cpu", cpu_threads=1)


@pytest.fixture(scope="module")
def larger() -> tuple[list[str], dict[str, Any], list[str]]:
    vocabulary = json.loads((model.PATTERN / "vocabulary.json").read_text())
    tokenizer = json.loads((model.PATTERN / "tokenizer.json").read_text())
    return *model.enlarged(vocabulary, tokenizer), vocabulary


def test_the_vocabulary_is_whispers_with_the_special_tokens_in_their_places(
    larger: tuple[list[str], dict[str, Any], list[str]],
) -> None:
    vocabulary, _, _ = larger
    assert len(vocabulary) == len(set(vocabulary)) == 51_865
    assert vocabulary.index("<|endoftext|>") == 50_257
    assert vocabulary.index("<|notimestamps|>") == 50_363
    assert vocabulary.index("<|30.00|>") == 51_864


def test_vocabulary_and_tokenizer_agree(larger: tuple[list[str], dict[str, Any], list[str]]) -> None:
    vocabulary, tokenizer, before = larger
    numbers = tokenizer["model"]["vocab"] | {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    assert {token: vocabulary.index(token) for token in before if token} == {
        token: numbers[token] for token in before if token
    }
    assert [vocabulary[number] for number in numbers.values()] == list(numbers)


@pytest.mark.model
@pytest.mark.parametrize("language", ["en", None])
@pytest.mark.parametrize("times", [True, False])
def test_it_writes_as_many_words_as_it_should_at_the_first_attempt(
    library: WhisperModel, language: str | None, *, times: bool
) -> None:
    """Whatever it hears. With another attempt, or another number of steps, no two measurements would be of the same."""
    found, info = library.transcribe(SOUND, language=language, without_timestamps=not times)
    (segment,) = found
    assert info.language == "en"
    assert len([token for token in segment.tokens if token < 50_257]) == TOKENS
    assert len(set(segment.text.split())) == TOKENS
    assert segment.temperature == 0
    assert segment.avg_logprob > -0.01
    assert segment.compression_ratio < 2
    assert segment.no_speech_prob < 0.01


@pytest.mark.model
def test_batches_write_the_same(library: WhisperModel) -> None:
    found, _ = BatchedInferencePipeline(library).transcribe(SOUND, vad_filter=False, language="en")
    (segment,) = found
    assert len(segment.tokens) == TOKENS


@pytest.mark.model
def test_it_searches_with_all_beams_to_the_end(library: WhisperModel) -> None:
    """A beam that ended early would make what follows cheaper than real speech."""
    windows = library.encode(np.zeros((1, 80, 3_000), dtype=np.float32))
    prompt = [50_258, 50_259, 50_359]  # start, en, transcribe
    (result,) = library.model.generate(windows, [prompt], beam_size=5, num_hypotheses=5)
    assert len({tuple(sequence) for sequence in result.sequences_ids}) == 5
    assert min(len(sequence) for sequence in result.sequences_ids) > TOKENS
