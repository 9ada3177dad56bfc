"""docker-autostart's file becomes a configuration of ours: engines, ports inside, and a word about all the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config, load_config
from gateway.config.problems import printable
from gateway.config.schema import EngineSpec
from gateway.errors import ConfigError
from gateway.migration import Migration, migrated

GUIDE = {
    "services": {
        "whisper.example.org": {
            "name": "Fast transcription", "composeDir": "whisper-faster", "proxyPort": 8001, "blocking": True,
            "containers": ["faster-whisper"],
        },
        "whisperx.example.org": {
            "name": "Diarization", "composeDir": "whisperx", "proxyPort": 8002, "blocking": True,
            "containers": ["whisperx"],
        },
    }
}  # fmt: skip

FASTER = """\
version: "3.8"
services:
  faster-whisper:
    image: fedirz/faster-whisper-server:latest-cpu
    container_name: faster-whisper
    restart: "no"
    ports: ["127.0.0.1:8001:8000"]
    healthcheck: {test: [CMD, curl, -f, "http://localhost:8000/health"]}
"""
WHISPERX = """\
services:
  whisperx:
    build: .
    container_name: whisperx
    restart: unless-stopped
    ports: ["8002:9000"]
"""


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    """The guide's folders, as its readers have them."""
    for folder, text in (("whisper-faster", FASTER), ("whisperx", WHISPERX)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "docker-compose.yml").write_text(text)
    return tmp_path


def migrate(folder: Path, data: Any, **environment: str) -> Migration:
    file = folder / "docker-autostart.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    return migrated(file, environment)


def loaded(folder: Path, migration: Migration) -> Config:
    file = folder / "loaded.yaml"
    file.write_text(migration.text, encoding="utf-8")
    return load_config(file, environment={})


def engine(folder: Path, compose: str | None, **entry: Any) -> tuple[EngineSpec, Migration]:
    """What one entry becomes, with a compose file in its folder."""
    (folder / "stack").mkdir(exist_ok=True)
    if compose is not None:
        (folder / "stack" / "compose.yaml").write_text(compose)
    whole = {"composeDir": "stack", "proxyPort": 8001, "containers": ["app"], **entry}
    migration = migrate(folder, {"services": {"a.example.org": {k: v for k, v in whole.items() if v is not None}}})
    (spec,) = loaded(folder, migration).engines.values()
    return spec, migration


def refused(folder: Path, data: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        migrate(folder, data)
    return caught.value.problems


def test_the_guide_s_own_file_becomes_two_engines_with_the_ports_inside(guide: Path) -> None:
    migration = migrate(guide, GUIDE)
    config = loaded(guide, migration)
    faster, whisperx = config.engines["faster-whisper"], config.engines["whisperx"]
    assert (faster.hosts, faster.port, faster.ready.path) == (("whisper.example.org",), 8000, "/health")
    assert (whisperx.hosts, whisperx.port) == (("whisperx.example.org",), 9000)
    assert faster.docker is not None
    assert (faster.docker.container, faster.docker.depends_on) == ("faster-whisper", ())
    assert str(config.gateway.listen) == "127.0.0.1:8890"
    assert config.gateway.trusted_proxies == ("127.0.0.1/32",)
    assert "# Fast transcription\n" in migration.text
    assert [check.partition(":")[0] for check in migration.checks] == ["whisperx", "whisperx"]
    assert "unless-stopped" in migration.checks[0]
    assert "ready" in migration.checks[1]


def test_without_the_compose_file_the_number_stays_and_is_pointed_out(tmp_path: Path) -> None:
    migration = migrate(tmp_path, GUIDE)
    config = loaded(tmp_path, migration)
    assert [spec.port for spec in config.engines.values()] == [8001, 8002]
    said = [check for check in migration.checks if "the one inside the container is needed" in check]
    assert len(said) == 2
    assert all(check.partition(": ")[2] in migration.text for check in migration.checks), "also in the file itself"


def test_hostnames_of_one_container_become_one_engine(guide: Path) -> None:
    entry = GUIDE["services"]["whisper.example.org"]
    second = {**entry, "name": "The same", "composeDir": str(guide / "whisper-faster")}
    config = loaded(guide, migrate(guide, {"services": {"a.example.org": entry, "b.example.org": second}}))
    assert [spec.hosts for spec in config.engines.values()] == [("a.example.org", "b.example.org")]


def test_a_second_port_of_a_container_is_left_out_aloud(tmp_path: Path) -> None:
    services = {f"{n}.example.org": {"proxyPort": n, "containers": ["x"]} for n in (8001, 8002)}
    migration = migrate(tmp_path, {"services": services})
    assert [spec.hosts for spec in loaded(tmp_path, migration).engines.values()] == [("8001.example.org",)]
    assert any("8002.example.org is left out" in check for check in migration.checks)


STACK = """\
services:
  db: {image: redis, container_name: db}
  app: {image: app, container_name: app, ports: ["8001:80"]}
"""


def test_of_several_containers_the_one_that_publishes_the_port_serves(tmp_path: Path) -> None:
    spec, migration = engine(tmp_path, STACK, containers=["db", "app"])
    assert spec.docker is not None
    assert (spec.docker.container, spec.docker.depends_on, spec.port) == ("app", ("db",), 80)
    assert "guess" not in migration.text


def test_where_nobody_knows_who_serves_the_first_is_taken_and_said_to_be_a_guess(tmp_path: Path) -> None:
    spec, migration = engine(tmp_path, None, containers=["db", "app"])
    assert spec.docker is not None
    assert (spec.docker.container, spec.docker.depends_on) == ("db", ("app",))
    assert "db is a guess" in migration.text


def test_an_engine_does_not_depend_on_an_engine(tmp_path: Path) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "compose.yaml").write_text(STACK.replace("container_name: db", "ports: ['8002:6379']"))
    entry = {"composeDir": "stack", "proxyPort": 8001, "containers": ["app", "stack-db-1"]}
    migration = migrate(tmp_path, {"services": {"a.org": entry, "b.org": {**entry, "proxyPort": 8002}}})
    engines = loaded(tmp_path, migration).engines
    assert {name: spec.port for name, spec in engines.items()} == {"app": 80, "stack-db-1": 6379}
    assert migration.text.count("is not started with it any more") == 2


def test_a_service_named_in_place_of_its_container_is_found_by_project_and_service(tmp_path: Path) -> None:
    spec, migration = engine(
        tmp_path, 'services: {app: {image: x, ports: ["8001:80"]}, db: {}}', containers=["app", "db"]
    )
    assert spec.docker is not None
    assert (spec.docker.project, spec.docker.service, spec.docker.container) == ("stack", "app", None)
    assert "db: what compose's own depends_on names" in migration.text


@pytest.mark.parametrize("container", ["stack-app-1", "stack_app_1"])
def test_the_names_that_compose_makes_are_known(tmp_path: Path, container: str) -> None:
    spec, _ = engine(tmp_path, 'services: {app: {ports: ["8001:80"]}}', containers=[container])
    assert spec.docker is not None
    assert (spec.docker.container, spec.port) == (container, 80)


def test_without_containers_the_service_that_publishes_the_port_is_meant(tmp_path: Path) -> None:
    spec, _ = engine(tmp_path, STACK, containers=None)
    assert spec.docker is not None
    assert (spec.docker.container, spec.port) == ("app", 80)


def test_without_a_port_the_only_published_one_is_meant(tmp_path: Path) -> None:
    assert engine(tmp_path, STACK, proxyPort=None)[0].port == 80


def test_on_the_host_s_network_the_port_is_the_same_inside(tmp_path: Path) -> None:
    spec, migration = engine(tmp_path, "services: {app: {container_name: app, network_mode: host}}")
    assert spec.port == 8001
    assert "Check: port" not in migration.text


def test_compose_s_second_file_and_its_variables_count(tmp_path: Path) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "compose.override.yaml").write_text(
        'services: {app: {container_name: "${NAME:?}", ports: ["${PORT}:81"]}}'
    )
    (tmp_path / "stack" / ".env").write_text("# settings\nexport NAME='app'\nPORT=8001 # published\n")
    spec, _ = engine(tmp_path, 'services: {app: {container_name: other, ports: ["9:9"]}}')
    assert spec.docker is not None
    assert (spec.docker.container, spec.port) == ("app", 81)


@pytest.mark.parametrize(
    ("compose", "why"),
    [
        ("services: [", "cannot be read"),
        ("services: {app: !!python/object:os.system {}}", "cannot be read"),
        ("- a\n- b", "was not found in the compose file"),
        ("services:", "was not found in the compose file"),
        ("services: {app: {container_name: app, ports: ['7:7']}}", "compose publishes no port 8001"),
        ("services: {app: {container_name: app, ports: ['${NONE}:7', 5, null, {}]}}", "compose publishes no port 8001"),
    ],
)
def test_a_compose_file_that_says_nothing_of_the_port_is_no_failure(tmp_path: Path, compose: str, why: str) -> None:
    spec, migration = engine(tmp_path, compose)
    assert spec.port == 8001
    assert why in migration.text


def test_what_has_no_counterpart_and_what_is_not_understood_is_named(tmp_path: Path) -> None:
    entry = {"proxyPort": "8001", "blocking": False, "containers": ["x", "x", "no name", 5], "idle\n": [1, "\x1b[2J"]}
    migration = migrate(tmp_path, {"services": {"a.org": entry, "not a host": {"x": 1}, "b.org": 7}, "timeout": 30})
    for word in (
        "blocking: false",
        '"no name"',
        "5 is not",
        '"idle\\n"',
        '"timeout" is not understood: 30',
        "b.org",
        "not a host",
    ):
        assert any(word in check for check in migration.checks), word
        assert word in migration.text
    assert all(line.isprintable() for line in migration.text.splitlines())


def test_of_what_is_written_twice_the_last_counts_aloud(tmp_path: Path) -> None:
    one, two = (json.dumps({"proxyPort": port, "containers": ["x"]}) for port in (1, 2))
    migration = migrate(tmp_path, f'{{"services": {{"a.org": {one}, "a.org": {two}, "A.org": {one}}}}}')
    assert [spec.port for spec in loaded(tmp_path, migration).engines.values()] == [2]
    assert migration.checks[0] == '"a.org" is written twice in one place; the last one counts'
    assert 'services."A.org" is left out: the hostname has an entry already' in migration.checks[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not JSON that can be read"),
        ("1" * 5000, "not JSON that can be read"),
        ("[]", '"services" is missing'),
        ('{"services": {}}', '"services" is missing'),
        ('{"services": []}', '"services" is missing'),
        ('{"services": {"a.org": {"proxyPort": 80}}}', "nothing to migrate"),
    ],
)
def test_a_file_that_is_none_is_refused_in_plain_words(tmp_path: Path, text: str, problem: str) -> None:
    first, *_ = refused(tmp_path, text)
    assert first.startswith(str(tmp_path / "docker-autostart.json"))
    assert problem in first


def test_where_nothing_can_be_migrated_each_reason_is_told(tmp_path: Path) -> None:
    problems = refused(tmp_path, {"services": {"a.org": {"containers": ["x"], "extra": 1}, "b.org": {}}})
    assert ["it has no proxyPort" in problems[1], '"extra"' in problems[2], "names no container" in problems[3]] == [
        True
    ] * 3


NAMES = st.sampled_from(["x", "y", "1", "no", "faster-whisper", "A.b_c", "null", "a b", "é", "\ud800", "x" * 300])
HOSTS = st.sampled_from(["a.org", "b.org", "A.org", "no", "1.2.3.4", "::1", "é.org", "a b", "", "*", "*.org", "x\n# y"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70_000) | st.floats() | st.text(max_size=8) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=20) | JSON,
        "composeDir": st.sampled_from([".", "/none", "", "\0"]) | JSON,
        "proxyPort": st.integers(0, 70_000) | st.sampled_from([8001, "8001", "x"]) | JSON,
        "blocking": st.booleans() | JSON,
        "containers": st.lists(NAMES, max_size=4) | JSON,
        "more": JSON,
    },
)


@given(services=st.dictionaries(HOSTS, ENTRY | JSON, min_size=1, max_size=5), more=JSON)
def test_whatever_the_file_holds_the_result_loads_and_names_it_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, services: dict[str, Any], more: Any
) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        migration = migrate(folder, {"services": services, "more": more})
    except ConfigError:
        return
    config = loaded(folder, migration)
    hosts = {host for spec in config.engines.values() for host in spec.hosts}
    comments = "\n".join(line for line in migration.text.splitlines() if line.lstrip().startswith("#"))
    for host in services:
        assert host.lower() in hosts or printable(host).lower() in comments.lower()
    assert '"more" is not understood' in comments


@given(st.text(alphabet="abA{}$:-+?_ 1\n", max_size=40))
def test_no_value_with_variables_breaks_the_reading(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    compose = json.dumps({"services": {"app": {"container_name": value, "ports": [value], "restart": value}}})
    assert engine(folder, compose)[0].port == 8001
