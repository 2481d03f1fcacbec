"""A served OpenAPI document, held against what the service answers: all it says must be in the document."""

import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

JSON = "application/json"


class Undocumented(AssertionError):
    """The service answered what its document does not say."""


class OpenApi:
    """The document. An object may have the properties it names, and no others."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._paths = {_pattern(path): methods for path, methods in document["paths"].items()}
        self._headers = document["components"]["headers"]
        self._schemas = {name: _closed(schema) for name, schema in document["components"]["schemas"].items()}
        self._validators: dict[int, jsonschema_rs.Validator] = {}

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """Return what the document says of the method at a path, if anything."""
        found = [methods for pattern, methods in self._paths.items() if pattern.fullmatch(path)]
        operation: dict[str, Any] | None = found[0].get(method.lower()) if found else None
        return operation

    def check(self, operation: dict[str, Any], status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Raise `Undocumented` unless the operation may answer so."""
        name = f"{operation['operationId']} {status}"
        response = operation["responses"].get(str(status))
        if response is None:
            raise Undocumented(f"{name}: {body[:400]!r}")
        self._check_headers(name, response, headers)
        content = response.get("content", {})
        kind = headers.get("Content-Type", "").partition(";")[0]
        if not content:
            if body:
                raise Undocumented(f"{name} has a body: {body[:400]!r}")
        elif kind not in content:
            raise Undocumented(f"{name} is {kind}")
        elif kind == JSON:
            self._check_json(name, content[JSON]["schema"], body)

    def _check_headers(self, name: str, response: dict[str, Any], headers: Mapping[str, str]) -> None:
        for header, declared in self._headers.items():
            if header in response["headers"]:
                if declared.get("required") and header not in headers:
                    raise Undocumented(f"{name} lacks {header}")
            elif header in headers:
                raise Undocumented(f"{name} has {header}")

    def _check_json(self, name: str, schema: dict[str, Any], body: bytes) -> None:
        validator = self._validators.get(id(schema))
        if validator is None:
            whole = {**schema, "components": {"schemas": self._schemas}}
            validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
            self._validators[id(schema)] = validator
        try:
            validator.validate(json.loads(body))
        except jsonschema_rs.ValidationError as error:
            raise Undocumented(f"{name}: {error.message} in {body[:400]!r}") from error


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"additionalProperties": False} if "properties" in schema else schema
