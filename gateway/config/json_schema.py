"""config.schema.json, for editors: the models' own JSON Schema, fitted to what a file may really hold."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from gateway.config.reference import default_of, sections
from gateway.config.schema import Config, Section

FROM_ENVIRONMENT = {
    "description": "Filled in from the environment.",
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}",
}


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    schema = Config.model_json_schema()
    sections_by_name = {section.__name__: section for _, section in sections()}
    for name, definition in [("Config", schema), *schema["$defs"].items()]:
        _fit_section(definition, sections_by_name[name])
    schema["$defs"] = {**schema["$defs"], "FromEnvironment": FROM_ENVIRONMENT}
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "whisper-gateway"}


def _fit_section(definition: dict[str, Any], section: type[Section]) -> None:
    definition.pop("title", None)
    for name, found in definition["properties"].items():
        fitted = {"description": " ".join((section.model_fields[name].description or "").split()), **_fit(found)}
        fitted.pop("default", None)
        default = default_of(section, name)
        definition["properties"][name] = fitted if default is None else {**fitted, "default": default}


def _fit(schema: dict[str, Any]) -> dict[str, Any]:
    """One setting's schema. No setting may be null, and a variable may stand for any text or number."""
    schema = {key: value for key, value in schema.items() if key != "title"}
    if "anyOf" in schema:
        # pydantic's way of writing "or null"; the file leaves such a setting out.
        value = next(choice for choice in schema.pop("anyOf") if choice.get("type") != "null")
        schema = {**value, **schema}
    if schema.get("type") == "object":
        schema["patternProperties"] = {key: _fit(value) for key, value in schema["patternProperties"].items()}
        schema["additionalProperties"] = False
    elif schema.get("type") == "array":
        schema["items"] = _fit(schema["items"])
    elif schema.get("type") in ("integer", "boolean") or "enum" in schema or "pattern" in schema:
        kept: dict[str, Any] = {key: schema.pop(key) for key in ("description", "default", "examples") if key in schema}
        schema = {"anyOf": [schema, {"$ref": "#/$defs/FromEnvironment"}], **kept}
    schema.pop("format", None)  # "path" is no format that editors know
    return schema
