"""What is generated from the schema: the list of settings and the JSON Schema."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from gateway.config.json_schema import json_schema
from gateway.config.reference import default_of, section_at, sections, settings
from gateway.config.schema import Config, DockerTarget, EngineDefaults, EngineSpec, LogSettings

BY_PATH = {setting.dotted: setting for setting in settings()}


def test_every_setting_has_words_and_a_meaning() -> None:
    for setting in settings():
        assert setting.words
        assert setting.meaning.endswith("."), setting.dotted


@pytest.mark.parametrize(
    ("path", "words", "default"),
    [
        ("gateway.listen", "IP address and port", "127.0.0.1:8890"),
        ("gateway.log.level", "`debug` or `info` or `warning` or `error`", "info"),
        ("gateway.trusted_proxies", "list of networks", None),
        ("defaults.idle_after", "duration or `never`", "15m"),
        ("engines.*.hosts", "list of hostnames", None),
        ("engines.*.answer_timeout", "duration", "1h"),
        ("engines.*.process.environment_files", "name: path", None),
        ("engines.*.docker.container", "container name", None),
        ("engines.*.cors", "list of origins", None),
        ("engines.*.forward_authorization", "`true` or `false`", "false"),
    ],
)
def test_a_setting_is_described_as_it_is_written(path: str, words: str, default: str | None) -> None:
    assert (BY_PATH[path].words, BY_PATH[path].default) == (words, default)


def test_a_section_is_found_by_a_path_of_the_file() -> None:
    assert section_at(()) is Config
    assert section_at(("engines", "any-name", "docker")) is DockerTarget
    assert section_at(("gateway", "log")) is LogSettings
    assert section_at(("engines", "x", "docker", "container")) is None


def test_the_defaults_section_has_the_engines_own_defaults() -> None:
    for name in EngineDefaults.model_fields:
        assert default_of(EngineDefaults, name) == default_of(EngineSpec, name)


SCHEMA = json_schema()
DEFINITIONS = {"Config": SCHEMA, **SCHEMA["$defs"]}


def test_the_json_schema_has_each_setting_with_its_meaning_and_default() -> None:
    for pattern, section in sections():
        definition = DEFINITIONS[section.__name__]
        assert definition["additionalProperties"] is False
        assert list(definition["properties"]) == list(section.model_fields)
        for name, found in definition["properties"].items():
            assert found["description"], (pattern, name)
            assert found.get("default") == default_of(section, name)


def test_the_json_schema_knows_no_null_and_no_name_it_does_not_list() -> None:
    def walk(schema: Any) -> None:
        if isinstance(schema, dict):
            assert schema.get("type") != "null"
            assert "title" not in schema or schema is SCHEMA
            if schema.get("type") == "object":
                assert schema["additionalProperties"] is False
        for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            walk(inner)

    walk(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("section", "name", "value", "fits"),
    [
        ("EngineSpec", "port", "8000", True),
        ("EngineSpec", "port", "'${PORT:-8000}'", True),
        ("EngineSpec", "port", "'8000'", False),
        ("EngineSpec", "port", "70000", False),
        ("EngineSpec", "idle_after", "90", True),
        ("EngineSpec", "idle_after", "never", True),
        ("LogSettings", "level", "debug", True),
        ("LogSettings", "level", "'${LEVEL}'", True),
        ("LogSettings", "level", "debg", False),
        ("DockerTarget", "container", "a b", False),
        ("DockerTarget", "depends_on", "[a, b]", True),
        ("DockerTarget", "depends_on", "[a b]", False),
        ("ProcessTarget", "environment", "{A: 1, B: true, C: x}", True),
        ("ProcessTarget", "environment", "{A B: 1}", False),
        ("ProcessTarget", "environment", "{A: [1]}", False),
    ],
)
def test_an_editor_accepts_what_the_gateway_accepts(*, section: str, name: str, value: str, fits: bool) -> None:
    assert fit(yaml.safe_load(value), DEFINITIONS[section]["properties"][name]) is fits


def fit(value: Any, schema: dict[str, Any]) -> bool:
    """The few words of JSON Schema that ours uses."""
    types: dict[str, Any] = {
        "string": str,
        "number": (int, float),
        "integer": int,
        "boolean": bool,
        "array": list,
        "object": dict,
    }
    wanted = schema.get("type", [])
    rules = [
        "$ref" not in schema or fit(value, DEFINITIONS[schema["$ref"].rpartition("/")[2]]),
        "anyOf" not in schema or any(fit(value, choice) for choice in schema["anyOf"]),
        not wanted or any(isinstance(value, types[name]) for name in ([wanted] if isinstance(wanted, str) else wanted)),
        "enum" not in schema or value in schema["enum"],
        "minimum" not in schema or (isinstance(value, int) and schema["minimum"] <= value <= schema["maximum"]),
        "pattern" not in schema or (isinstance(value, str) and re.search(schema["pattern"], value) is not None),
        "items" not in schema or all(fit(item, schema["items"]) for item in value),
    ]
    for pattern, inner in schema.get("patternProperties", {}).items():
        rules += [re.search(pattern, key) is not None and fit(item, inner) for key, item in value.items()]
    for key, inner in schema.get("properties", {}).items():
        rules += [fit(value[key], inner)] if key in value else [key not in schema.get("required", [])]
    if "properties" in schema:
        rules += [key in schema["properties"] for key in value]
    return all(rules)


def test_the_json_schema_accepts_the_example() -> None:
    text = "engines: {a: {hosts: [a], docker: {container: a}, port: 1}}"
    assert fit(yaml.safe_load(text), SCHEMA)
    assert not fit(yaml.safe_load(text.replace("port", "prot")), SCHEMA)
    assert not fit(yaml.safe_load("engines: {A B: {}}"), SCHEMA)
