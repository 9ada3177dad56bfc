"""Which containers an engine consists of, from names and from compose's labels."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.schema import DockerTarget
from gateway.errors import EngineMissing, StartRefused
from gateway.runtimes.docker_stack import (
    COMPLETED,
    HEALTHY,
    STARTED,
    Member,
    Need,
    stack_of_names,
    stack_of_service,
    what_is_wrong,
)


def listed(service: str, depends_on: str = "", number: int = 1, **more: str) -> dict[str, Any]:
    """A container as compose creates it in the project `p`."""
    labels = {
        "com.docker.compose.project": "p",
        "com.docker.compose.service": service,
        "com.docker.compose.depends_on": depends_on,
        "com.docker.compose.container-number": str(number),
        "com.docker.compose.oneoff": "False",
        **{f"com.docker.compose.{key}": value for key, value in more.items()},
    }
    return {"Names": [f"/p-{service}-{number}"], "Labels": labels}


def order(*containers: dict[str, Any], service: str = "engine") -> list[str]:
    return [member.container for member in stack_of_service(containers, "p", service)]


def test_named_containers_keep_their_order_and_the_engine_comes_last() -> None:
    target = DockerTarget(container="engine", depends_on=("b", "a"))
    assert stack_of_names(target) == (Member("b"), Member("a"), Member("engine"))


def test_a_service_alone_is_its_container() -> None:
    assert stack_of_service([listed("other"), listed("engine")], "p", "engine") == (Member("p-engine-1"),)


def test_dependencies_come_first_transitively_with_their_conditions() -> None:
    containers = [
        listed("engine", "seed:service_completed_successfully:false,db:service_healthy:true"),
        listed("seed", "db:service_healthy:false"),
        listed("db"),
        listed("bystander", "engine:service_started:false"),
    ]
    assert stack_of_service(containers, "p", "engine") == (
        Member("p-db-1"),
        Member("p-seed-1", (Need("p-db-1", HEALTHY),)),
        Member("p-engine-1", (Need("p-seed-1", COMPLETED), Need("p-db-1", HEALTHY))),
    )


def test_a_diamond_starts_its_ground_once() -> None:
    assert order(listed("engine", "l,r"), listed("l", "g"), listed("r", "g"), listed("g")) == [
        "p-g-1",
        "p-l-1",
        "p-r-1",
        "p-engine-1",
    ]


@pytest.mark.parametrize("label", ["db", "db:service_started", " db:service_started:false ,", "db:"])
def test_older_labels_are_read_too(label: str) -> None:
    stack = stack_of_service([listed("engine", label), listed("db")], "p", "engine")
    assert stack[-1].needs == (Need("p-db-1", STARTED),)


def test_a_scaled_service_is_its_first_container_and_a_dependency_with_all() -> None:
    assert order(listed("engine", number=10), listed("engine", number=2)) == ["p-engine-2"]
    assert order(listed("engine", "db"), listed("db", number=2), listed("db", number=1)) == [
        "p-db-1",
        "p-db-2",
        "p-engine-1",
    ]


def test_containers_of_compose_run_do_not_count() -> None:
    assert order(listed("engine", number=1, oneoff="True"), listed("engine", number=2)) == ["p-engine-2"]
    with pytest.raises(EngineMissing):
        order(listed("engine", oneoff="True"))


def test_containers_of_an_image_that_compose_built_do_not_count() -> None:
    """Such an image has labels, and `docker run` makes containers of it that have them, too."""
    by_hand = listed("engine")
    del by_hand["Labels"]["com.docker.compose.container-number"]
    by_hand["Names"] = ["/by-hand"]
    assert order(by_hand, listed("engine", number=2)) == ["p-engine-2"]
    with pytest.raises(EngineMissing):
        order(by_hand)


def test_names_by_which_others_link_to_a_container_are_not_its_own() -> None:
    linked = listed("engine") | {"Names": ["/p-front-1/engine", "/p-engine-1", "/p-front-1/p-engine-1"]}
    assert order(linked) == ["p-engine-1"]
    assert order(listed("engine") | {"Names": ["p-engine-1"]}) == ["p-engine-1"]  # as Podman writes it


def test_containers_without_labels_or_names_do_no_harm() -> None:
    assert order({"Names": ["/x"], "Labels": None}, {}, listed("engine") | {"Names": None}, listed("engine")) == [
        "p-engine-1"
    ]


def test_a_service_that_is_not_there_says_what_creates_it() -> None:
    with pytest.raises(EngineMissing, match="`docker compose -p p create engine`"):
        order(listed("other"))


# what hinders a start only


def test_a_missing_dependency_is_left_out_of_the_stack_but_hinders_a_start() -> None:
    containers = [listed("engine", "db,cache"), listed("cache", "disk:service_healthy:false")]
    assert order(*containers) == ["p-cache-1", "p-engine-1"]
    problem = what_is_wrong(containers, "p", "engine")
    assert isinstance(problem, EngineMissing)
    assert "create db`" in problem.message


def test_a_circle_is_told_and_does_not_hang() -> None:
    containers = [listed("engine", "a"), listed("a", "b"), listed("b", "a")]
    assert order(*containers)[-1] == "p-engine-1"
    problem = what_is_wrong(containers, "p", "engine")
    assert isinstance(problem, StartRefused)
    assert "engine → a → b → a" in problem.message


def test_a_service_that_depends_on_itself_is_a_circle() -> None:
    assert isinstance(what_is_wrong([listed("engine", "engine")], "p", "engine"), StartRefused)


def test_nothing_is_wrong_with_a_deep_lattice_and_it_takes_no_time() -> None:
    """Each service depends on both of the layer below: 2**40 ways down, walked once."""
    containers = [listed("engine", "a40,b40")]
    for level in range(40, 0, -1):
        below = f"a{level - 1},b{level - 1}" if level > 1 else ""
        containers += [listed(f"a{level}", below), listed(f"b{level}", below)]
    assert what_is_wrong(containers, "p", "engine") is None
    assert len(order(*containers)) == 81


def test_what_compose_makes_in_place_of_another_is_nobodys_until_it_has_its_name() -> None:
    """It is listed first, before the one that runs."""
    old, new = listed("engine"), listed("engine", replace="d1f58382573100")
    new["Names"] = ["/d1f583825731_p-engine-1"]
    assert order(new, old) == ["p-engine-1"]
    with pytest.raises(EngineMissing):
        order(new)
    new["Names"] = old["Names"]
    assert order(new) == ["p-engine-1"]
