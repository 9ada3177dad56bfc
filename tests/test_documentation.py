"""What the documents say cannot drift from what the program does."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import gateway
from gateway.config import Config, load_config
from gateway.config.document import read_document
from gateway.config.durations import parse_duration
from gateway.config.problems import dotted
from gateway.config.reference import settings
from gateway.errors import ConfigError, GatewayError, RuntimeUnavailable, SpoolFull
from tests.fixtures.patience import PATIENCE
from tests.fixtures.written_commands import PAGES

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "config" / "config.yaml"
PAGE = ROOT / "docs" / "configuration.md"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "scripts" / "generate_docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_generated_is_fresh(generator: ModuleType) -> None:
    assert not list(generator.stale()), "run scripts/generate_docs.py"


def test_the_generator_can_be_asked_whether_all_is_fresh() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_page_keeps_what_is_written_around_its_generated_part(generator: ModuleType) -> None:
    page = "# By hand\n<!-- generated: x -->\nold\n<!-- end of generated: x -->\nby hand\n"
    wanted = "# By hand\n<!-- generated: x -->\n\nnew \\1\n\n<!-- end of generated: x -->\nby hand\n"
    assert generator.between_markers(page, "x", "new \\1") == wanted
    assert generator.between_markers(wanted, "x", "new \\1") == wanted
    with pytest.raises(SystemExit, match="once each"):
        generator.between_markers("# By hand\n", "x", "new")


def test_the_example_is_a_valid_configuration() -> None:
    config = load_config(EXAMPLE, environment={})
    assert list(config.engines) == ["whisper", "whisperx"]
    assert EXAMPLE.read_text().startswith("# yaml-language-server: $schema=../config.schema.json\n")


def uncommented() -> str:
    """The example with every setting in it: `#setting:` is switched on, `# Text` is not."""
    return re.sub(r"^( *)#(?=[^ #\n]|  )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)


def test_the_example_is_valid_with_all_its_settings_switched_on(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(uncommented())
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "api-token").write_text("token\n")
    config = load_config(file, environment={})
    assert list(config.engines) == ["whisper", "whisperx", "meetings", "local"]
    assert config.engines["local"].process is not None
    assert config.engines["local"].process.environment == {"LANGUAGE": "en", "API_TOKEN": "token"}


def test_the_example_mentions_every_setting() -> None:
    written = {re.sub(r"^engines\.\w+", "engines.*", dotted(path)) for path in read_document(uncommented(), {}).lines}
    assert {setting.dotted for setting in settings()} <= written


def test_the_example_shows_the_true_defaults() -> None:
    """`#setting: value` is the default in the two sections that say so by having one."""
    document = read_document(uncommented(), {})
    plain = read_document(EXAMPLE.read_text(), {})
    by_path = {setting.dotted: setting for setting in settings()}
    for path in document.lines:
        setting = by_path.get(dotted(path))
        if setting and setting.default and not plain.has(path):
            value = document.data
            for step in path:
                value = value[step]
            written = ", ".join(value) if isinstance(value, list) else value
            assert written == setting.default, setting.dotted


def test_every_setting_is_documented() -> None:
    page = PAGE.read_text()
    for setting in settings():
        assert f"| `{setting.dotted}` |" in page


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_every_example_on_the_page_is_a_valid_configuration(block: str, tmp_path: Path) -> None:
    token = tmp_path / "api-token"
    token.write_text("token\n")
    file = tmp_path / "config.yaml"
    file.write_text(block.replace("/run/secrets/api-token", str(token)))
    assert isinstance(load_config(file, environment={}), Config)


def test_the_problems_on_the_page_are_what_the_program_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [""] * 20
    lines[0] = "engines:"
    lines[9] = "  whisperx:"
    lines[10] = "    hosts: [whisperx.example.org]"
    lines[11] = "    docker: {container: whisperx}"
    lines[12] = "    port: 8000"
    lines[13] = "    idle_after: 5 mins"
    lines[18] = "    prot: 8000"
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("\n".join(lines))
    with pytest.raises(ConfigError) as refused:
        load_config("config.yaml", environment={})
    assert blocks("text")[0].splitlines() == refused.value.problems


def test_the_durations_on_the_page_are_durations() -> None:
    (sentence,) = re.findall(r"^\*\*Durations\*\* are (.*?);", PAGE.read_text(), flags=re.MULTILINE)
    assert [parse_duration(text) for text in re.findall("`(.*?)`", sentence)] == [0.25, 90, 300, 5400, 172_800]


def test_every_event_of_the_log_is_documented() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    pattern = re.compile(r"\"((?:engine|gateway|request|connection|keys|docker|config)\.[a-z_]+)\"")
    events = {event for path in (ROOT / "gateway").rglob("*.py") for event in pattern.findall(path.read_text())}
    assert {"engine.waking", "keys.read", "docker.does_not_answer"} <= events
    own = {
        "gateway.abort",
        "gateway.caller",
        "gateway.body_follows",
        "gateway.informational",
        "gateway.target",
        "gateway.upgrade",
        "gateway.lock",
        "gateway.memo",
        "config.yaml",
        "keys.json",
        "keys.lock",
    }  # no events
    own |= {setting.dotted for setting in settings()}
    proxy = (ROOT / "nginx" / "docker-proxy.conf.template").read_text()
    said_by_proxy = set(re.findall(r'"event": ?"([a-z_.]+)"', proxy))
    assert said_by_proxy
    events |= said_by_proxy
    assert not {event for event in events - own if f"`{event}`" not in page}


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_links_to_headings_lead_to_one() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
            found = headings(page.parent / target if target else page)
            assert anchor in found, f"{page.name} links to {target}#{anchor}"


ERRORS = ROOT / "docs" / "errors.md"


def test_every_code_of_nginx_is_documented() -> None:
    template = (ROOT / "nginx" / "templates" / "gateway.conf.template").read_text()
    (listed,) = re.findall(
        r'^map "\$status [^"]*" \$whisper_gateway_error \{\n(.*?)^\}', template, re.DOTALL | re.MULTILINE
    )
    codes = dict(re.findall(r'^ *("[^"]+"|default) (\w+);$', listed, flags=re.MULTILINE))
    assert {"login_required", "payload_too_large", "web_server_error"} <= set(codes.values())
    hand_written = ERRORS.read_text().split("<!-- end of generated: errors -->")[1]
    for code in codes.values():
        assert f"### `{code}`" in hand_written or f"](#{code})" in hand_written, code
        assert code in headings(ERRORS), code


def errors_with_a_code() -> set[type[Exception]]:
    """Every exception of the gateway, in whatever module it is, that has a code of its own."""
    names = [found.name for found in pkgutil.walk_packages(gateway.__path__, "gateway.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    assert len(modules) > 100
    found = {one for module in modules for one in vars(module).values() if isinstance(one, type)}
    return {one for one in found if issubclass(one, Exception) and "code" in vars(one)}


def test_every_code_of_the_gateway_is_documented() -> None:
    errors = errors_with_a_code()
    assert {SpoolFull, RuntimeUnavailable, GatewayError} <= errors
    generated = ERRORS.read_text().split("<!-- end of generated: errors -->")[0]
    for error in errors:
        assert f"### `{error.code}`\n\n{error.status} · {error.title}. " in generated, error  # type: ignore[attr-defined]
        assert error.__doc__, f"{error.__name__} says nothing of its cause and cure"


def test_trouble_is_told_with_a_cure_for_each_code() -> None:
    """The table of operations.md goes by what one sees, and leaves none out."""
    trouble = (ROOT / "docs" / "operations.md").read_text().split("## Troubleshooting")[1]
    told = dict(re.findall(r"^### `(\w+)`\n\n(.*)$", ERRORS.read_text(), flags=re.MULTILINE))
    assert len(told) > 30
    seen = [code for code, text in told.items() if "Never an answer" not in text]
    assert [code for code in seen if f"(errors.md#{code})" not in trouble] == []
