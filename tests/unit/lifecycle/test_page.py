"""docs/lifecycle.md says what the table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway import errors
from gateway.errors import GatewayError
from gateway.lifecycle.events import Event
from gateway.lifecycle.failures import LONGEST_REST, rest_after
from gateway.lifecycle.phases import NEXT, Phase

PAGE = (Path(__file__).parents[3] / "docs" / "lifecycle.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]


def test_the_diagram_has_an_arrow_for_every_move_to_another_phase_and_no_other() -> None:
    drawn = {
        (before, after, event)
        for before, after, events in re.findall(r"^    ([A-Z]+) --> ([A-Z]+): (.*)$", PAGE, flags=re.MULTILINE)
        for event in events.split(", ")
    }
    assert drawn == {
        (before.name, after.name, event.__name__)
        for (before, event), targets in NEXT.items()
        for after in targets
        if after is not before
    }


@pytest.mark.parametrize("event", dict.fromkeys(event for _, event in NEXT), ids=lambda event: event.__name__)
def test_the_table_on_the_page_is_the_table_of_the_program(event: type[Event]) -> None:
    (row,) = [row for row in ROWS if row[0].startswith(f"**{event.__name__}** ")]
    for phase, cell in zip(Phase, row[1:], strict=True):
        written = {phase.value if text == "stays" else text.removeprefix("→ ") for text in cell.split(" or ") if text}
        assert written == {after.value for after in NEXT.get((phase, event), ())}


def test_the_page_tells_for_every_phase_what_a_request_and_an_operator_experience() -> None:
    firsts = [row[0] for row in ROWS]
    for phase in Phase:
        assert firsts.count(phase.value) == 2


def test_the_codes_on_the_page_are_the_programs() -> None:
    codes = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)}
    links = re.findall(r"\[`(\w+)`\]\(errors\.md#(\w+)\)", PAGE)
    assert links
    for text, anchor in links:
        assert text == anchor
        assert text in codes


def test_the_rests_on_the_page_are_the_policys() -> None:
    assert [rest_after(failures) for failures in (1, 2, 3)] == [1, 2, 4]
    rests = "rests for 1 s, after the next failure in a row for 2 s, then 4 s, and so on up to a minute"
    assert rests in " ".join(PAGE.split())
    assert LONGEST_REST == 60
