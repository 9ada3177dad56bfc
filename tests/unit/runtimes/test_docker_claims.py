"""Who needs which container."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.runtimes.docker_claims import Claims


def test_a_container_is_held_until_its_last_engine_releases_it() -> None:
    claims = Claims()
    claims.claim("one", ["db", "one"])
    claims.claim("two", ["db", "two"])
    claims.release("one", "db")
    assert not claims.holds("one", "db")
    assert claims.others_hold("one", "db")
    assert not claims.others_hold("two", "db")
    claims.release("two")
    assert not claims.others_hold("one", "db")


def test_a_new_claim_replaces_the_old_one() -> None:
    claims = Claims()
    claims.claim("one", ["old-db", "one"])
    claims.claim("one", ["new-db", "one"])
    assert not claims.holds("one", "old-db")
    assert claims.holds("one", "new-db")


def test_asking_about_the_unknown_leaves_no_trace() -> None:
    claims = Claims()
    assert not claims.holds("one", "db")
    assert not claims.others_hold("one", "db")
    claims.release("one", "db")
    claims.release("one")
    assert not claims.others_hold("", "db")


def test_each_container_has_one_lock() -> None:
    claims = Claims()
    assert claims.lock("db") is claims.lock("db")
    assert claims.lock("db") is not claims.lock("other")


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["claim", "release"]), st.frozensets(st.sampled_from("xyz")))
    )
)
def test_it_is_a_set_per_engine(story: list[tuple[str, str, frozenset[str]]]) -> None:
    claims, expected = Claims(), {"a": set[str](), "b": set[str]()}
    for engine, verb, containers in story:
        if verb == "claim":
            claims.claim(engine, containers)
            expected[engine] = set(containers)
        else:
            for container in containers:
                claims.release(engine, container)
            expected[engine] -= containers
    for engine, other in ("ab", "ba"):
        for container in "xyz":
            assert claims.holds(engine, container) == (container in expected[engine])
            assert claims.others_hold(engine, container) == (container in expected[other])
