"""compose.yaml brought up as shipped: what runs and what sleeps, who can reach what, and a request that wakes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.compose import CPU, GPU, run_compose, whole
from tests.e2e.compose_stack import LOGIN, WHISPER, WHISPERX, ComposeStack
from tests.e2e.conftest import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.model]

FRONT = {"nginx", "gateway", "docker-proxy"}
ENGINES = {"faster-whisper", "whisperx"}
RECORDING = ROOT / "samples" / "audio" / "en-good-evening-team.wav"


# what the file says


def test_a_profile_adds_the_engines_it_names_and_nothing_else() -> None:
    def names(profile: str) -> set[str]:
        return set(whole(CPU, profile=profile)["services"])

    assert names("none") == FRONT
    assert names("engines") == FRONT | ENGINES
    assert names("faster") == FRONT | {"faster-whisper"}
    assert names("whisperx") == FRONT | {"whisperx"}


def test_without_a_domain_compose_says_where_to_put_it() -> None:
    done = run_compose("config", DOMAIN="")
    assert done.returncode != 0
    assert "say in the file .env which domain this is" in done.stderr


def test_only_nginx_publishes_ports_and_only_the_gateway_restarts_engines() -> None:
    services = whole(CPU)["services"]
    assert {name for name, one in services.items() if one.get("ports")} == {"nginx"}
    assert {name for name, one in services.items() if one["restart"] == "no"} == ENGINES
    assert {name for name, one in services.items() if one["restart"] == "unless-stopped"} == FRONT
    assert [port["published"] for port in whole(CPU, HTTP_PORT="81")["services"]["nginx"]["ports"]] == ["81", "443"]


def test_engines_share_a_network_with_the_gateway_alone() -> None:
    found = whole(CPU)
    networks = {name: set(one.get("networks", ())) for name, one in found["services"].items()}
    assert networks == {
        "nginx": {"door"},
        "gateway": {"door", "engines"},
        "docker-proxy": set(),
        "faster-whisper": {"engines"},
        "whisperx": {"engines"},
    }
    assert found["services"]["docker-proxy"]["network_mode"] == "none"
    assert not found["networks"]["engines"].get("internal"), "they fetch their models"
    assert whole(CPU, ENGINES_OFFLINE="true")["networks"]["engines"]["internal"] is True


def test_the_gateway_believes_nginx_and_nobody_else() -> None:
    services = whole(CPU, DOOR_NGINX="10.0.0.2", DOOR_GATEWAY="10.0.0.3", DOOR_SUBNET="10.0.0.0/29")["services"]
    assert services["gateway"]["environment"]["GATEWAY_TRUSTED"] == "10.0.0.2/32"
    assert services["nginx"]["networks"]["door"]["ipv4_address"] == "10.0.0.2"
    assert services["gateway"]["environment"]["GATEWAY_LISTEN"] == "10.0.0.3:8890"
    assert services["nginx"]["environment"]["GATEWAY"] == "10.0.0.3:8890"


def test_dockers_socket_is_mounted_into_the_docker_proxy_alone() -> None:
    for files in ((CPU,), (CPU, GPU)):
        services = whole(*files, DOCKER_SOCKET="/run/docker.sock")["services"]
        sources = {name: [mount["source"] for mount in one.get("volumes", ())] for name, one in services.items()}
        assert [name for name, listed in sources.items() if "/run/docker.sock" in listed] == ["docker-proxy"]
        assert not [
            name for name, one in services.items() if one.get("privileged") or one.get("pid") or one.get("devices")
        ]


def test_every_variable_has_a_line_in_the_example() -> None:
    known = re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    used = {name for file in (CPU, GPU) for name in re.findall(r"\$\{([A-Z0-9_]+)", file.read_text())}
    assert sorted(known) == sorted({*used, "COMPOSE_PROFILES"}), "that one compose reads by itself"


# what it does


@pytest.fixture(scope="module")
def stack(faster_image: str, standin_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    made = ComposeStack(tmp_path_factory.mktemp("compose"), faster_image)
    try:
        made.bring_up()
        yield made
    finally:
        made.tear_down()


def test_two_commands_are_all_and_engines_are_created_not_started(stack: ComposeStack) -> None:
    assert stack.created == dict.fromkeys(FRONT | ENGINES, "created")
    assert stack.up == {**dict.fromkeys(FRONT, "running"), **dict.fromkeys(ENGINES, "created")}


def test_strangers_get_nothing_and_wake_nothing(stack: ComposeStack) -> None:
    with stack.client(WHISPER) as client:
        assert client.get("/docs").status_code == 401
        assert client.get("/docs", auth=("anna", "wrong horse")).status_code == 401
        refused = client.post("/v1/audio/transcriptions", headers={"Authorization": "Bearer wg_no_such"})
        assert refused.status_code == 401
        assert "basic" not in refused.headers["www-authenticate"].lower()
        assert client.post("/v1/audio/transcriptions", headers={"X-Remote-User": "anna"}).status_code == 401
    assert stack.engine("whisper")["phase"] == "asleep"


def test_a_first_request_wakes_the_engine_and_is_answered_by_it(stack: ComposeStack) -> None:
    with stack.client(WHISPER, auth=LOGIN) as client, RECORDING.open("rb") as audio:
        answer = client.post("/v1/audio/transcriptions", files={"file": audio}, data={"model": "whisper-1"})
        assert answer.json()["text"].strip().lower() == "good evening team", answer.text
    stack.until("whisper", "ready")
    assert stack.statuses()["faster-whisper"] == "running"
    stack.run("gateway", "whisper-gateway", "sleep", "whisper")
    assert stack.statuses()["faster-whisper"] == "exited"


def test_a_key_made_in_the_container_works_at_once_and_until_it_is_revoked(stack: ComposeStack) -> None:
    key = stack.run("gateway", "whisper-gateway", "keys", "create", "--name", "ci", "--hosts", WHISPERX).strip()
    with stack.client(WHISPERX, headers={"Authorization": f"Bearer {key}"}) as client:
        assert client.get("/hello").status_code == 200
        with stack.client(WHISPER) as other:
            assert other.get("/health", headers=client.headers).status_code == 403
        stack.run("gateway", "whisper-gateway", "keys", "revoke", "ci")
        assert client.get("/hello").status_code == 401


def test_an_operator_sees_the_engines_by_the_command_line(stack: ComposeStack) -> None:
    shown = stack.run("gateway", "whisper-gateway", "status")
    assert "whisper" in shown
    assert "whisperx" in shown


def test_an_engine_that_crashes_is_noticed_and_woken_again(stack: ComposeStack) -> None:
    with stack.client(WHISPERX, auth=LOGIN) as client:
        assert client.get("/hello").status_code == 200
        stack.container("whisperx").kill()
        stack.until("whisperx", "asleep")
        assert client.get("/hello").status_code == 200
    assert "READY" in stack.run("gateway", "whisper-gateway", "logs", "whisperx")


def test_the_way_to_docker_may_be_restarted_under_the_gateway(stack: ComposeStack) -> None:
    for word in ("restart", "kill"):
        stack.run("gateway", "whisper-gateway", "sleep", "whisperx")
        stack(word, "docker-proxy")
        stack("start", "docker-proxy")
        stack.until_healthy("docker-proxy")
        with stack.client(WHISPERX, auth=LOGIN) as client:
            assert client.get("/hello").status_code == 200


def test_every_container_is_hardened(stack: ComposeStack) -> None:
    allowed = {"nginx": {"SETUID", "SETGID", "NET_BIND_SERVICE"}, "docker-proxy": {"SETGID"}}
    for service in FRONT | ENGINES:
        host = stack.container(service).attrs["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        added = {name.removeprefix("CAP_") for name in host["CapAdd"] or ()}
        assert added == allowed.get(service, set()), service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        assert not host["Privileged"], service
        assert host["PidMode"] == host["UTSMode"] == "", service
        assert host["LogConfig"]["Type"] == "local", service
        assert not [bind for bind in host["Binds"] or () if bind.startswith("/:")], service


def test_nothing_in_the_front_runs_with_more_rights_than_it_needs(stack: ComposeStack) -> None:
    assert stack.run("gateway", "id", "-u").strip() == "10001"
    processes = stack.container("nginx").top(ps_args="-eo pid,user,args")["Processes"]
    assert {user for _, user, *words in processes if "worker" in " ".join(words)} == {"www-data"}
    assert int(_status(stack, "gateway", "CapEff"), 16) == 0
    assert int(_status(stack, "docker-proxy", "CapEff"), 16) == 1 << 6, "SETGID"


def test_what_has_to_last_lies_in_volumes_and_nothing_else_can_be_written(stack: ComposeStack) -> None:
    writable = {
        service: sorted(mount["Destination"] for mount in stack.container(service).attrs["Mounts"] if mount["RW"])
        for service in FRONT
    }
    assert writable == {
        "nginx": ["/etc/nginx/passwords"],
        "gateway": ["/var/lib/whisper-gateway"],
        "docker-proxy": ["/run/docker-proxy", "/var/run/docker.sock"],
    }


OWN_THE_HOST = """
import docker, io, json, pathlib
client = docker.from_env()
api = client.api
outcome = {"sockets": [str(path) for path in pathlib.Path("/").rglob("docker*.sock")]}
outcome["seen"] = sorted(one["Names"][0] for one in api.containers(all=True))
engine = outcome["seen"][0].removeprefix("/")
project = engine.removesuffix("-faster-whisper-1")
facts = api.inspect_container(engine)
image = facts["Image"]
attempts = {
    "create": lambda: api.create_container(image, "sh", host_config={"Binds": ["/:/host"], "Privileged": True}),
    "create as": lambda: api.create_container(image, "sh", name=f"{project}-whisperx-2"),
    "exec": lambda: api.exec_create(engine, "id", privileged=True, user="root"),
    "exec start": lambda: api.exec_start("0123456789abcdef"),
    "attach": lambda: api.attach_socket(engine),
    "get": lambda: api.get_archive(engine, "/etc/passwd"),
    "put": lambda: api.put_archive(engine, "/", b""),
    "export": lambda: next(iter(api.export(engine))),
    "commit": lambda: api.commit(engine, "evil"),
    "update": lambda: api.update_container(engine, restart_policy={"Name": "always"}),
    "rename": lambda: api.rename(f"{project}-docker-proxy-1", f"{project}-whisperx-2"),
    "remove": lambda: api.remove_container(engine, force=True),
    "top": lambda: api.top(engine),
    "restart": lambda: api.restart(engine),
    "prune": lambda: api.prune_containers(),
    "images": lambda: api.images(),
    "pull": lambda: api.pull("alpine"),
    "load": lambda: list(api.load_image(b"")),
    "tag": lambda: api.tag(image, "whisper-gateway/whisperx"),
    "volumes": lambda: api.volumes(),
    "volume": lambda: api.create_volume("evil", driver_opts={"type": "none", "device": "/", "o": "bind"}),
    "networks": lambda: api.networks(),
    "network": lambda: api.create_network("evil"),
    "connect": lambda: api.connect_container_to_network(engine, "host"),
    "swarm": lambda: api.init_swarm(),
    "service": lambda: api.services(),
    "plugins": lambda: api.plugins(),
    "info": lambda: api.info(),
    "df": lambda: api.df(),
    "look at nginx": lambda: api.inspect_container(f"{project}-nginx-1"),
    "read nginx": lambda: api.logs(f"{project}-nginx-1"),
    "stop docker-proxy": lambda: api.stop(f"{project}-docker-proxy-1"),
    "stop by id": lambda: api.stop(facts["Id"]),
}
for name, attempt in attempts.items():
    try:
        outcome[name] = repr(attempt())
    except docker.errors.APIError as error:
        outcome[name] = error.response.status_code
    except Exception as error:
        outcome[name] = repr(error)
print(json.dumps(outcome))
"""


def test_who_has_taken_the_gateway_over_cannot_take_the_host_over(stack: ComposeStack) -> None:
    """With the gateway's own Docker client, as the gateway's user, and everything that could make it root."""
    outcome: dict[str, Any] = json.loads(stack.run("gateway", "python", "-W", "ignore", "-c", OWN_THE_HOST))
    assert outcome.pop("sockets") == ["/run/docker-proxy/docker.sock"]
    assert outcome.pop("seen") == [f"/{stack.project}-faster-whisper-1", f"/{stack.project}-whisperx-1"]
    assert {name: status for name, status in outcome.items() if status != 403} == {}


def test_an_engine_cannot_reach_the_gateway_nor_its_neighbours_in_front(stack: ComposeStack) -> None:
    with stack.client(WHISPERX, auth=LOGIN) as client:
        assert client.get("/hello").status_code == 200
    networks = stack.container("gateway").attrs["NetworkSettings"]["Networks"]
    addresses = [place["IPAddress"] for place in networks.values()]
    assert stack.gateway_address in addresses
    program = (
        "import socket, sys\n"
        "def there(host, port):\n"
        "    try: socket.create_connection((host, port), 1).close()\n"
        "    except OSError: return False\n"
        "    return True\n"
        f"print([(host, port) for host in {addresses} for port in (8890, 8891) if there(host, port)])"
    )
    assert stack.run("whisperx", "python3", "-c", program).strip() == "[]"


def test_the_gateway_listens_for_nginx_alone_and_not_for_the_hosts_other_networks(stack: ComposeStack) -> None:
    log = stack.container("gateway").logs().decode()
    assert f"{stack.gateway_address}:8890" in log


def _status(stack: ComposeStack, service: str, fact: str) -> str:
    """Of the process that the container is there for, or its init."""
    lines = stack.run(service, "cat", "/proc/1/status").splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{fact}:"))
