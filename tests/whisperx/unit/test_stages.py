"""Which stages a request goes through, with which models, and what becomes of those that cannot be had."""

from __future__ import annotations

import io
import math
from typing import Any

import anyio
import pytest

from engines.transcription.errors import BadAudio, BadParameter, ModelUnavailable, OutOfMemory
from engines.whisperx.conversation import Conversation, Segment, Turn
from engines.whisperx.desk import Desk
from engines.whisperx.options import KnownSpeaker, ListeningOptions, Options, SpeakerOptions
from engines.whisperx.progress import Stage, Watch
from engines.whisperx.stages import Stages
from engines.whisperx.toolbox import Toolbox
from engines.whisperx.transcripts import transcript_of
from tests.fixtures.patience import PATIENCE
from tests.whisperx.unit.scripted_models import SPEAKERS, SPOKEN, Models, desk, models, recording

pytestmark = pytest.mark.anyio

__all__ = ["desk", "models"]  # fixtures


async def test_without_speakers_nobody_loads_what_tells_them_apart(desk: Desk, models: Models) -> None:
    watch = Watch("r")
    said = await desk.transcribe(recording(), "base", Options(), watch)
    assert models.log == ["load base", "listen", "align"]
    assert (said.language, said.duration, said.turns, said.warnings) == ("en", 2.0, (), ())
    assert [word.text for word in said.segments[0].words] == ["good", "morning"]
    assert {segment.speaker for segment in said.segments} == {None}
    assert watch.report()["stages"] == {"decode": 1.0, "transcribe": 1.0, "align": 1.0}


async def test_speakers_are_told_apart_word_by_word(desk: Desk, models: Models) -> None:
    said = await desk.transcribe(recording(), "base", SPEAKERS, Watch("r"))
    assert sorted(models.log) == ["align", "diarize", "listen", "load base"]
    assert [(one.text.strip(), one.speaker) for one in said.segments] == [
        ("good", "SPEAKER_00"), ("morning", "SPEAKER_01"),
    ]  # fmt: skip
    assert said.turns == tuple(models.turns)


async def test_speakers_are_told_apart_while_words_are_found(desk: Desk, models: Models) -> None:
    models.go["listen"].clear()
    models.go["diarize"].clear()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.transcribe, recording(), "base", SPEAKERS, Watch("r"))
        with anyio.fail_after(PATIENCE):
            for name in ("listen", "diarize"):
                assert await anyio.to_thread.run_sync(models.begun[name].wait, PATIENCE)
        models.go["listen"].set()
        models.go["diarize"].set()


@pytest.mark.parametrize(
    "options", [Options(align=False), Options(listening=ListeningOptions(task="translate"))], ids=["unwanted", "task"]
)
async def test_what_was_not_said_or_not_wanted_is_not_aligned(desk: Desk, models: Models, options: Options) -> None:
    watch = Watch("r")
    said = await desk.transcribe(recording(), "base", options, watch)
    assert said.segments == (SPOKEN,)
    assert said.warnings == ()
    assert set(watch.report()["stages"]) == {"decode", "transcribe"}


async def test_a_language_that_cannot_be_aligned_is_a_warning(desk: Desk, models: Models) -> None:
    models.language = "cy"
    said = await desk.transcribe(recording(), "base", SPEAKERS, Watch("r"))
    (segment,) = said.segments
    assert (segment.words, segment.speaker is not None) == ((), True)
    times, speakers = said.warnings
    assert times.startswith("Words have no times: there is no alignment model for 'cy'")
    assert speakers == "Speakers are told by whole segments, because their words have no times."


async def test_an_alignment_model_that_cannot_be_loaded_is_a_warning(desk: Desk, models: Models) -> None:
    models.missing, models.in_memory = {"en"}, []
    said = await desk.transcribe(recording(), "base", Options(), Watch("r"))
    assert said.segments == (SPOKEN,)
    assert said.warnings == ("Words have no times: The model could not be loaded: no en.",)


@pytest.mark.parametrize("fetched", ["en", "speakers", "base"])
async def test_who_waits_for_a_model_holds_up_nobody_who_does_not_need_it(
    desk: Desk, models: Models, fetched: str
) -> None:
    models.in_memory = []
    models.fetching = {fetched}
    ended: list[str] = []

    async def ask() -> None:
        said = await desk.transcribe(recording(), "base", SPEAKERS, Watch("r"))
        assert said.segments[0].words
        ended.append("first")

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        if fetched == "en":
            assert await anyio.to_thread.run_sync(models.begun["diarize"].wait, PATIENCE)
        with anyio.fail_after(PATIENCE):
            await desk.transcribe(recording(), "small", Options(align=False), Watch("r"))
        assert not ended
        models.fetching = set()
        models.fetched.set()
    assert ended == ["first"]


async def test_a_language_that_is_known_has_its_alignment_model_loaded_meanwhile(desk: Desk, models: Models) -> None:
    options = Options(listening=ListeningOptions(language="en"))
    await desk.transcribe(recording(), "base", options, Watch("r"))
    assert models.log[:2] == ["load base", "load en"]
    models.log.clear()
    await desk.transcribe(recording(), "base", Options(listening=ListeningOptions(language="cy")), Watch("r"))
    assert models.log == ["load base", "listen"]


async def test_who_has_to_wait_for_others_is_told_so(desk: Desk, models: Models) -> None:
    models.go["listen"].clear()
    states: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(desk.transcribe, recording(), "base", Options(), Watch("r"))
        assert await anyio.to_thread.run_sync(models.begun["listen"].wait, PATIENCE)

        def on_progress(report: dict[str, Any]) -> None:
            states.append(report["state"])
            if report["state"] == "queued":
                models.go["listen"].set()

        await desk.transcribe(recording(), "base", Options(), Watch("s", on_progress))
    assert states[:3] == ["working", "working", "queued"]
    assert set(states[3:]) == {"working"}


async def test_where_speakers_cannot_be_told_apart_nothing_is_computed_in_vain(desk: Desk, models: Models) -> None:
    models.missing = {"speakers"}
    with pytest.raises(ModelUnavailable, match="no speakers"):
        await desk.transcribe(recording(), "base", SPEAKERS, Watch("r"))
    assert "listen" not in models.log


@pytest.mark.parametrize(
    ("wanted", "warning"),
    [
        (SpeakerOptions(exactly=3), "2 speakers were found, although 3 were asked for."),
        (SpeakerOptions(at_least=4), "2 speakers were found, although at least 4 were asked for."),
        (SpeakerOptions(at_most=1), "2 speakers were found, although at most 1 was asked for."),
        (SpeakerOptions(exactly=1), "2 speakers were found, although 1 was asked for."),
        (SpeakerOptions(at_least=1, at_most=2), None),
        (SpeakerOptions(exactly=2), None),
    ],
)
async def test_other_speakers_than_were_asked_for_are_a_warning(
    desk: Desk, wanted: SpeakerOptions, warning: str | None
) -> None:
    said = await desk.transcribe(recording(), "base", Options(speakers=wanted), Watch("r"))
    turns = await desk.diarize(recording(), wanted, Watch("r"))
    assert said.warnings == turns.warnings == ((warning,) if warning else ())


async def test_one_speaker_is_one(desk: Desk, models: Models) -> None:
    models.turns = [Turn(0.4, 1.0, "SPEAKER_00")]
    turns = await desk.diarize(recording(), SpeakerOptions(exactly=2), Watch("r"))
    assert turns.warnings == ("1 speaker was found, although 2 were asked for.",)


async def test_known_voices_have_names(desk: Desk) -> None:
    known = (KnownSpeaker("Ann", recording(4).read()), KnownSpeaker("Bob", recording(2.5).read()))
    said = await desk.transcribe(recording(), "base", Options(speakers=SpeakerOptions(), known=known), Watch("r"))
    assert said.names == {"SPEAKER_00": "Bob", "SPEAKER_01": "Ann"}


@pytest.mark.parametrize("voice", [b"", b"no sound", recording(1.5).read(), recording(11).read()])
async def test_a_known_speakers_recording_must_be_one(desk: Desk, models: Models, voice: bytes) -> None:
    with pytest.raises(BadParameter, match="'Ann'") as refused:
        await desk.transcribe(
            recording(), "base", Options(speakers=SpeakerOptions(), known=(KnownSpeaker("Ann", voice),)), Watch("r")
        )
    assert refused.value.param == "known_speaker_references[]"
    assert not models.log


async def test_a_transcript_of_ones_own_is_cut_off_where_the_recording_ends(desk: Desk) -> None:
    segments = [Segment(0, 1, "a"), Segment(1, math.inf, "b"), Segment(2, 3, "c")]
    said = await desk.align(recording(), segments, "en", Watch("r"))
    assert [(one.text, one.start, one.end) for one in said.segments] == [("a", 0, 1), ("b", 1, 2)]
    assert said.warnings == ("1 segment begins after the recording's end and is left out.",)
    said = await desk.align(recording(1), segments, "en", Watch("r"))
    assert said.warnings == ("2 segments begin after the recording's end and are left out.",)


async def test_segments_may_overlap_but_not_without_end(desk: Desk, models: Models) -> None:
    """Each is computed by itself: thousands, each as long as the recording, would keep all others waiting for days."""
    every = Segment(0, 99, "a")
    said = await desk.align(recording(4), [every] * 5, "en", Watch("r"))  # 20 s of 4 * 4 + 5
    assert len(said.segments) == 5
    await desk.align(recording(), [Segment(0, 1, "a")] * 1000, "en", Watch("r"))
    models.log.clear()
    with pytest.raises(BadParameter, match="overlap") as refused:
        await desk.align(recording(4), [every] * 6, "en", Watch("r"))
    assert refused.value.param == "transcript"
    assert "load" not in "".join(models.log)


async def test_a_transcript_in_a_language_without_model_is_refused_before_the_upload_is_touched(desk: Desk) -> None:
    with pytest.raises(BadParameter, match="ALIGN_MODELS"):
        await desk.align(io.BytesIO(), [SPOKEN], "cy", Watch("r"))


async def test_turns_alone_can_be_asked_for(desk: Desk, models: Models) -> None:
    said = await desk.diarize(recording(), SpeakerOptions(), Watch("r"))
    assert (said.segments, said.turns, said.duration) == ((), tuple(models.turns), 2.0)
    assert models.log == ["diarize"]


async def test_rubbish_is_refused_while_somebody_is_served(desk: Desk, models: Models) -> None:
    models.go["listen"].clear()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.transcribe, recording(), "base", Options(), Watch("r"))
        assert await anyio.to_thread.run_sync(models.begun["listen"].wait, PATIENCE)
        with pytest.raises(BadAudio), anyio.fail_after(PATIENCE):
            await desk.transcribe(io.BytesIO(b"no sound"), "base", Options(), Watch("r"))
        models.go["listen"].set()


async def test_requests_take_turns_in_order_of_arrival(desk: Desk, models: Models) -> None:
    ended: list[int] = []

    async def ask(number: int, arrived: anyio.Event) -> None:
        arrived.set()
        await desk.transcribe(recording(), "base", SPEAKERS, Watch("r"))
        ended.append(number)

    models.go["listen"].clear()
    async with anyio.create_task_group() as group:
        for number in range(6):
            arrived = anyio.Event()
            group.start_soon(ask, number, arrived)
            await arrived.wait()
            if not number:
                assert await anyio.to_thread.run_sync(models.begun["listen"].wait, PATIENCE)
        models.go["listen"].set()
    assert sorted(ended) == list(range(6))
    assert ended[0] == 0
    assert models.most == 1


async def test_who_leaves_the_queue_is_never_computed(desk: Desk, models: Models) -> None:
    models.go["listen"].clear()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.transcribe, recording(), "base", Options(), Watch("r"))
        assert await anyio.to_thread.run_sync(models.begun["listen"].wait, PATIENCE)
        watch = Watch("leaver")
        async with anyio.create_task_group() as leaving:
            watch.on_progress = lambda report: (
                leaving.cancel_scope.cancel() if report["stages"]["decode"] == 1.0 else None
            )
            leaving.start_soon(desk.diarize, recording(), SpeakerOptions(), watch)
        models.go["listen"].set()
    assert "diarize" not in models.log


@pytest.mark.parametrize("stage", ["listen", "align", "diarize"])
async def test_who_leaves_ends_the_stage_that_is_under_way(desk: Desk, models: Models, stage: str) -> None:
    models.go[stage].clear()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.transcribe, recording(), "base", SPEAKERS, Watch("r"))
        assert await anyio.to_thread.run_sync(models.begun[stage].wait, PATIENCE)
        group.cancel_scope.cancel()
    assert stage in models.ended
    models.go[stage].set()
    with anyio.fail_after(PATIENCE):
        assert (await desk.transcribe(recording(), "base", Options(), Watch("r"))).segments


@pytest.mark.parametrize("stage", ["listen", "align", "diarize"])
async def test_a_failure_in_one_stage_ends_the_other_and_is_told_as_it_is(
    desk: Desk, models: Models, stage: str
) -> None:
    models.broken = {stage: OutOfMemory()}
    other = "diarize" if stage == "listen" else "listen"
    if stage != "align":
        models.go[other].clear()
    with anyio.fail_after(PATIENCE), pytest.raises(OutOfMemory):
        await desk.transcribe(recording(), "base", SPEAKERS, Watch("r"))
    assert not set(models.begun) - set(models.ended) - {"align"}


async def test_no_memory_at_all_is_told_as_that(desk: Desk, models: Models) -> None:
    models.broken = {"listen": MemoryError()}
    with pytest.raises(OutOfMemory):
        await desk.transcribe(recording(), "base", Options(), Watch("r"))


async def test_segments_can_be_heard_as_they_are_written(desk: Desk, models: Models) -> None:
    heard: list[Segment] = []
    await desk.transcribe(recording(), "base", Options(align=False), Watch("r"), heard.append)
    assert heard == [SPOKEN]


def test_the_stages_of_a_request_are_known_beforehand() -> None:
    stages = Stages(Toolbox(*[Models()] * 3))
    assert list(stages.of(SPEAKERS)) == [Stage.TRANSCRIBE, Stage.ALIGN, Stage.DIARIZE]


@pytest.mark.parametrize(("language", "text"), [("en", "one two"), ("ja", "onetwo")])
def test_texts_are_joined_as_their_language_does(language: str, text: str) -> None:
    said = Conversation(language, 2.0, (Segment(0, 1, " one "), Segment(1, 1, " "), Segment(1, 2, "two")))
    assert said.text == transcript_of(said).text == text
