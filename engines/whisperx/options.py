"""What a request asks for, checked: frozen data between the forms and the models."""

from __future__ import annotations

from dataclasses import dataclass, field

from engines.transcription.transcript import Task


@dataclass(frozen=True, slots=True)
class ListeningOptions:
    """language: None to detect it. batch_size: windows computed together; None for the engine's own."""

    language: str | None = None
    task: Task = "transcribe"
    prompt: str | None = None
    hotwords: str | None = None
    batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class SpeakerOptions:
    """How many there are, as far as that is known."""

    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class KnownSpeaker:
    """recording: some seconds of their voice, in any format that the engine reads."""

    name: str
    recording: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Options:
    """align: word times. speakers: None for not telling them apart."""

    listening: ListeningOptions = ListeningOptions()
    align: bool = True
    speakers: SpeakerOptions | None = None
    known: tuple[KnownSpeaker, ...] = ()
