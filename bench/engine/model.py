"""Whisper models in real shapes, with random weights that write a text of fixed length: for speed, not for words.

What a model computes does not depend on its weights, except for how many tokens it writes and whether they look so
wrong that faster-whisper tries again at other temperatures. So the weights are random, but each of the decoder's
positions shouts one token: its vector is a large multiple of that token's embedding, which the random layers between
cannot drown. Whatever is heard, the model says `en`, writes the same confident words, and ends.

The tokenizer is the small shipped model's, with made-up words before the special tokens, up to Whisper's 51,865.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from ctranslate2.specs import WhisperSpec
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PATTERN = Path(__file__).parents[2] / "samples" / "models" / "micro-whisper"
"""Whose tokenizer and features the models have."""
VOCABULARY = 51_865
_BANDS, _FRAMES, _POSITIONS = 80, 1_500, 448
_END, _ENGLISH, _BEGINNING = "<|endoftext|>", "<|en|>", "<|0.00|>"
_PROMPT = 3  # start, language, task; then a time or <|notimestamps|>
_LETTERS = 26
_LENGTH = 5  # letters of a made-up word
_STRIDE = 7_368_787  # prime, so that neighbours look different and none comes twice among 26 ** 5
_EMBEDDING = 0.1  # the target's logit is `width` times this, the others' spread its root times this
_LOUDNESS = 4.0  # of a position's vector; what the layers add stays below one
_GAIN = 0.3  # of each layer


@dataclass(frozen=True)
class Shape:
    """As OpenAI's model of this name has it; encoder and decoder alike."""

    name: str
    width: int
    layers: int
    heads: int


TINY = Shape("tiny", 384, 4, 6)
SMALL = Shape("small", 768, 12, 12)


def write(folder: Path, shape: Shape, tokens: int) -> Path:
    """Writes the model in CTranslate2's format, as int8. tokens: how many it writes for each window."""
    import ctranslate2.specs  # noqa: PLC0415  only the engine's figures need it

    folder.mkdir(parents=True)
    pattern = {
        name: json.loads((PATTERN / f"{name}.json").read_text()) for name in ("vocabulary", "tokenizer", "config")
    }
    vocabulary, tokenizer = enlarged(pattern["vocabulary"], pattern["tokenizer"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    shutil.copy(PATTERN / "preprocessor_config.json", folder)
    spec = ctranslate2.specs.WhisperSpec(shape.layers, shape.heads, shape.layers, shape.heads)
    _Weights(shape.width).fill(spec, said(vocabulary, tokens))
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids_begin = pattern["config"]["suppress_ids_begin"]
    spec.config.suppress_ids = pattern["config"]["suppress_ids"]
    languages = [pattern["vocabulary"][number] for number in pattern["config"]["lang_ids"]]
    spec.config.lang_ids = [vocabulary.index(language) for language in languages]
    spec.config.alignment_heads = [[shape.layers - 1, head] for head in range(shape.heads)]
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    return folder


def enlarged(vocabulary: list[str], tokenizer: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Both with made-up words before the special tokens, which move up to where Whisper's are."""
    first, count = vocabulary.index(_END), VOCABULARY - len(vocabulary)
    words = _words(count, set(vocabulary))

    def moved(number: int) -> int:
        return number if number < first else number + count

    larger = [*vocabulary[:first], *words, *vocabulary[first:]]
    added = [{**token, "id": moved(token["id"])} for token in tokenizer["added_tokens"]]
    numbers = {token: moved(number) for token, number in tokenizer["model"]["vocab"].items()}
    numbers |= {word: first + place for place, word in enumerate(words)}
    return larger, {**tokenizer, "added_tokens": added, "model": {**tokenizer["model"], "vocab": numbers}}


def said(vocabulary: list[str], tokens: int) -> list[int]:
    """The token that each of the decoder's positions writes.

    The first tells the language. The last of the prompt begins the text with a time, where times are written; where
    they are not, the prompt is one longer, so that the words follow either way.
    """
    end, language, time = (vocabulary.index(token) for token in (_END, _ENGLISH, _BEGINNING))
    words = range(end - 1, end - 1 - tokens, -1)  # made-up ones
    text = [language, *[time] * (_PROMPT - 1), *words]
    return text + [end] * (_POSITIONS - len(text))


def _words(count: int, taken: set[str]) -> list[str]:
    words: list[str] = []
    number = 0
    while len(words) < count:
        number = (number + _STRIDE) % _LETTERS**_LENGTH
        letters = [chr(ord("a") + number // _LETTERS**place % _LETTERS) for place in range(_LENGTH)]
        word = "".join(["Ġ", *letters])  # how the tokenizer writes a space
        if word not in taken:
            words.append(word)
    return words


class _Weights:
    """Fills a specification. The same numbers every time."""

    def __init__(self, width: int) -> None:
        import numpy as np  # noqa: PLC0415  as above

        self._np = np
        self._random = np.random.default_rng(1)
        self._width = width

    def fill(self, spec: WhisperSpec, text: list[int]) -> None:
        """text: the token that each position writes."""
        width, encoder, decoder = self._width, spec.encoder, spec.decoder
        self._linear(encoder.conv1, width, _BANDS, 3)
        self._linear(encoder.conv2, width, width, 3)
        encoder.position_encodings.encodings = self._normal(0.1, _FRAMES, width)
        words = self._normal(_EMBEDDING, VOCABULARY, width)
        decoder.embeddings.weight = words
        decoder.projection.weight = words
        decoder.position_encodings.encodings = words[text] * self._np.float32(_LOUDNESS / _EMBEDDING)
        for half in (encoder, decoder):
            self._norm(half.layer_norm)
            for layer in half.layer:
                self._layer(layer)

    def _layer(self, layer: Any) -> None:
        width = self._width
        self._attention(layer.self_attention, 3, 1)
        if hasattr(layer, "attention"):  # the decoder's, to what was heard
            self._attention(layer.attention, 1, 2, 1)
        self._norm(layer.ffn.layer_norm)
        self._linear(layer.ffn.linear_0, 4 * width, width)
        self._linear(layer.ffn.linear_1, width, 4 * width)

    def _attention(self, attention: Any, *outputs: int) -> None:
        """outputs: how many widths each of the linear layers gives."""
        self._norm(attention.layer_norm)
        for linear, widths in zip(attention.linear, outputs, strict=True):
            self._linear(linear, widths * self._width, self._width)

    def _linear(self, layer: Any, outputs: int, *inputs: int) -> None:
        layer.weight = self._normal(_GAIN / float(self._np.sqrt(self._np.prod(inputs))), outputs, *inputs)
        layer.bias = self._np.zeros(outputs, dtype=self._np.float32)

    def _norm(self, layer: Any) -> None:
        layer.gamma = self._np.ones(self._width, dtype=self._np.float32)
        layer.beta = self._np.zeros(self._width, dtype=self._np.float32)

    def _normal(self, spread: float, *shape: int) -> Floats:
        drawn: Floats = self._random.standard_normal(shape, dtype=self._np.float32)
        drawn *= self._np.float32(spread)
        return drawn
