"""The languages that Whisper models name, by the codes they use: ISO 639-1, and `haw`, `yue` and `jw` (Javanese).

Written down here, so that a request can be refused without waiting for the model; a test compares the codes with
faster-whisper's. Which of them a certain model really knows, only the model can tell. The names are OpenAI's.
"""

from __future__ import annotations

from collections.abc import Callable

from engines.transcription.errors import BadParameter

_TABLE = """
af afrikaans | am amharic | ar arabic | as assamese | az azerbaijani | ba bashkir | be belarusian | bg bulgarian
bn bengali | bo tibetan | br breton | bs bosnian | ca catalan | cs czech | cy welsh | da danish | de german | el greek
en english | es spanish | et estonian | eu basque | fa persian | fi finnish | fo faroese | fr french | gl galician
gu gujarati | ha hausa | haw hawaiian | he hebrew | hi hindi | hr croatian | ht haitian creole | hu hungarian
hy armenian | id indonesian | is icelandic | it italian | ja japanese | jw javanese | ka georgian | kk kazakh | km khmer
kn kannada | ko korean | la latin | lb luxembourgish | ln lingala | lo lao | lt lithuanian | lv latvian | mg malagasy
mi maori | mk macedonian | ml malayalam | mn mongolian | mr marathi | ms malay | mt maltese | my myanmar | ne nepali
nl dutch | nn nynorsk | no norwegian | oc occitan | pa punjabi | pl polish | ps pashto | pt portuguese | ro romanian
ru russian | sa sanskrit | sd sindhi | si sinhala | sk slovak | sl slovenian | sn shona | so somali | sq albanian
sr serbian | su sundanese | sv swedish | sw swahili | ta tamil | te telugu | tg tajik | th thai | tk turkmen
tl tagalog | tr turkish | tt tatar | uk ukrainian | ur urdu | uz uzbek | vi vietnamese | yi yiddish | yo yoruba
yue cantonese | zh chinese
"""

LANGUAGES: dict[str, str] = {
    code: name
    for entry in _TABLE.replace("\n", "|").split("|")
    if entry.strip()
    for code, _, name in [entry.strip().partition(" ")]
}
"""Code to English name."""

_CODES = {name: code for code, name in LANGUAGES.items()} | {"jv": "jw"}


def parse_language(text: str) -> str:
    """A code or an English name, in any case, as Whisper's code. Raises ValueError with a remedy."""
    wanted = text.strip().lower()
    code = wanted if wanted in LANGUAGES else _CODES.get(wanted)
    if code is None:
        raise ValueError(f"{text[:20]!r} is not a language that Whisper knows; use a code such as en, or leave it out")
    return code


def check_known(language: str | None, *, multilingual: bool, token: Callable[[str], int | None]) -> None:
    """Raises BadParameter unless this model knows the language; None is to be detected. token: its id, by its text.

    The libraries take any language for an English-only model, and fail on one that the model has no token for.
    """
    if language is None:
        return
    if not multilingual and language != "en":
        raise BadParameter("language: this model knows English only.", param="language")
    if multilingual and token(f"<|{language}|>") is None:
        raise BadParameter(f"language: this model does not know {language}.", param="language")
