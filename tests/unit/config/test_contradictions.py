"""Rules between settings, each as the file's problem and as the refusal of a model that is built by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from gateway.config.schema import Config, DockerTarget, EngineSpec, GatewaySettings

Problems = Callable[..., list[str]]

FILE = """\
gateway: {gateway}
engines:
  one:
    hosts: {hosts}
    {runtime}
    port: {port}
  two:
    hosts: [two.example.org]
    docker: {{container: two}}
    port: 8000
  three:
    hosts: [three.example.org]
    process: {{command: [x]}}
    port: 7000
"""
GOOD = {
    "gateway": "{portal: portal.example.org}",
    "hosts": "[one]",
    "runtime": "docker: {container: one}",
    "port": "8000",
}


def test_the_unchanged_example_has_no_problem(problems: Problems) -> None:
    assert problems(FILE.format(**GOOD)) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"runtime": "docker: {container: one, service: one}"},
            "5 engines.one.docker: name the engine either by `container`, or by `project` and `service`, not both",
        ),
        (
            {"runtime": "docker: {}"},
            "5 engines.one.docker: name the engine by `container`, or by `project` and `service`",
        ),
        (
            {"runtime": "docker: {project: one}"},
            "5 engines.one.docker: `project` and `service` go together; one of them is missing",
        ),
        (
            {"runtime": "docker: {project: a, service: b, depends_on: [c]}"},
            (
                "5 engines.one.docker.depends_on: `depends_on` goes with `container`; "
                "compose services bring their own depends_on"
            ),
        ),
        (
            {"runtime": "docker: {container: one, depends_on: [db, one]}"},
            "5 engines.one.docker.depends_on[1]: a container cannot depend on itself",
        ),
        (
            {"runtime": "docker: {container: one, depends_on: [two]}"},
            '5 engines.one.docker.depends_on[0]: "two" is engine "two"; engines cannot depend on engines',
        ),
        (
            {"runtime": "# nothing"},
            "3 engines.one: say what runs this engine: `docker` or `process` is missing",
        ),
        (
            {"runtime": "docker: {container: one}\n    process: {command: [x]}", "port": "7001"},
            "3 engines.one: an engine is run by `docker` or by `process`, not by both",
        ),
        (
            {"runtime": "process: {command: [x], environment: {A: b}, environment_files: {A: config.yaml}}"},
            "5 engines.one.process.environment_files.A: this variable is also given in `environment`",
        ),
        (
            {"gateway": "{listen: '127.0.0.1:8891'}"},
            '1 gateway.admin: `listen` and `admin` cannot share "127.0.0.1:8891" (try another port)',
        ),
        (
            {"hosts": "[one, TWO.example.org., three.example.org]"},
            '8 engines.two.hosts[0]: hostname "two.example.org" already belongs to engines.one',
        ),
        (
            {"hosts": "[portal.example.org]"},
            '4 engines.one.hosts[0]: hostname "portal.example.org" already belongs to gateway.portal',
        ),
        (
            {"hosts": "[one, ONE]"},
            '4 engines.one.hosts[1]: hostname "one" already belongs to this engine',
        ),
        (
            {"runtime": "docker: {container: two}"},
            '9 engines.two.docker.container: this container is already the engine "one"',
        ),
        (
            {"runtime": "process: {command: [x]}", "port": "7000"},
            "14 engines.three.port: port 7000 is already used by engines.one",
        ),
        (
            {"runtime": "process: {command: [x]}", "port": "8890"},
            "6 engines.one.port: port 8890 is already used by gateway.listen",
        ),
        (
            {"runtime": "process: {command: [x]}", "port": "8891"},
            "6 engines.one.port: port 8891 is already used by gateway.admin",
        ),
    ],
)
def test_a_contradiction_is_told_where_it_is_written(problems: Problems, change: dict[str, str], problem: str) -> None:
    assert f"config.yaml:{problem}" in problems(FILE.format(**GOOD | change))


def test_two_engines_cannot_be_one_compose_service(problems: Problems) -> None:
    engine = "{{hosts: [{0}], port: 1, docker: {{project: p, service: {1}}}}}"
    text = "engines:\n" + "".join(f"  {n}: {engine.format(n, s)}\n" for n, s in [("a", "s"), ("b", "t"), ("c", "s")])
    assert problems(text) == ['config.yaml:4 engines.c.docker.service: this service is already the engine "a"']


def test_containers_may_share_a_port_number_and_what_they_depend_on(problems: Problems) -> None:
    engine = "{{hosts: [{0}], port: 8000, docker: {{container: {0}, depends_on: [cache]}}}}"
    assert problems(f"engines:\n  a: {engine.format('a')}\n  b: {engine.format('b')}\n") == []


def test_a_wrong_value_hides_no_contradiction(problems: Problems) -> None:
    """Somebody who mends all that is listed must not be told of more the next time."""
    text = FILE.format(
        gateway="{listen: '127.0.0.1:8891', head_limit: many}",
        hosts="[one, '**', two.example.org]",
        runtime="docker: {container: one, project: '?', restart: always}",
        port="huge\n    idle_after: 5 mins",
    )
    assert [line.partition(" ")[2].partition(":")[0] for line in problems(text)] == [
        "gateway.admin",
        "gateway.head_limit",
        "engines.one.hosts[1]",
        "engines.one.docker",
        "engines.one.docker.project",
        "engines.one.docker.restart",
        "engines.one.port",
        "engines.one.idle_after",
        "engines.two.hosts[0]",
    ]


@pytest.mark.parametrize(
    "nonsense", ["x", "[x]", "{x: [y]}", "[[x]]", "[{x: y}]", "5", "{container: {}}", "{service: [1]}"]
)
@pytest.mark.parametrize("setting", ["gateway", "hosts", "docker", "process", "port", "depends_on"])
def test_rules_read_nonsense_without_failing(problems: Problems, setting: str, nonsense: str) -> None:
    values = {"gateway": "{}", "hosts": "[a]", "docker": "{container: a}", "process": "{command: [a]}", "port": "1"}
    values |= {setting: nonsense}
    if setting == "depends_on":
        values |= {"docker": f"{{container: a, depends_on: {nonsense}}}"}
    engine = "".join(f"    {name}: {values[name]}\n" for name in ("hosts", "docker", "process", "port"))
    assert problems(f"gateway: {values['gateway']}\nengines:\n  a:\n{engine}  b:\n{engine}") != []


def test_a_model_built_by_hand_obeys_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="go together"):
        DockerTarget(project="a")
    with pytest.raises(ValidationError, match="`docker` or `process` is missing"):
        EngineSpec(hosts=("a",), port=1)
    with pytest.raises(ValidationError, match="cannot share"):
        GatewaySettings.model_validate({"listen": "127.0.0.1:8891"})
    engine = EngineSpec(hosts=("a",), port=1, docker=DockerTarget(container="a"))
    with pytest.raises(ValidationError, match="already belongs"):
        Config(engines={"a": engine, "b": engine})
