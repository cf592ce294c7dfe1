"""The OpenAPI 3.1 document of whatever an application serves."""

import inspect
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from hub.web.openapi import HUB, JSON, Content, Endpoint, Refused, endpoints_of

_REFERENCE = "#/components/schemas/{name}"
_ARGUMENT = re.compile(r"(\w+): (.*)")

# What anybody may be answered, whatever they ask for: hub.web.guard, hub.web.limits.
_EVERYWHERE = {
    400: ("malformed",),
    401: ("not-logged-in",),
    403: ("wrong-host", "wrong-origin", "no-origin"),
    429: ("too-many-requests",),
    503: ("busy",),
}
_LATER = (429, 503)  # with `Retry-After`

_Schema = dict[str, Any]


def document_of(app: web.Application, version: str) -> _Schema:
    """Return the document of all declared endpoints of an application.

    Args:
        app: serves them.
        version: of the program.
    """
    endpoints = endpoints_of(app)
    schemas = _Schemas(endpoints)
    paths: dict[str, _Schema] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parlour",
            "version": version,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "The hub's HTTP interface. Errors are "
            '`{"error": {"code", "text"}}`: a code for programs, a sentence for people.',
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in _tags(endpoints)],
        "paths": paths,
        "components": {
            "schemas": schemas.shown,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _tags(endpoints: Sequence[Endpoint]) -> list[str]:
    """Return the tags in the order in which they are shown: what there is about the hub last."""
    tags = dict.fromkeys(endpoint.tag for endpoint in endpoints)
    return sorted(tags, key=lambda tag: tag == HUB)


class _Schemas:
    """The JSON schemas of all classes that are named in some endpoints."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        queries = {e.query for e in endpoints if e.query is not None}
        kinds = {kind for endpoint in endpoints for kind in _kinds(endpoint)} | queries | {Refused}
        ordered = sorted(kinds, key=lambda kind: kind.__name__)
        references, known = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
        self._references = dict(zip(ordered, references, strict=True))
        self._known = {name: _described(schema) for name, schema in known.items()}
        hidden = {self._name(kind) for kind in queries}
        self.shown = {name: s for name, s in self._known.items() if name not in hidden}

    def of(self, kind: type) -> _Schema:
        """Return the schema that stands for a class."""
        return self._references[kind]

    def properties(self, kind: type) -> tuple[_Schema, list[str]]:
        """Return the fields of a class, and which of them must be there."""
        schema = self._known[self._name(kind)]
        return schema["properties"], schema.get("required", [])

    def _name(self, kind: type) -> str:
        reference: str = self._references[kind]["$ref"]
        return reference.rpartition("/")[2]


def _kinds(endpoint: Endpoint) -> list[type]:
    contents = [*_contents(endpoint.body), *_contents(endpoint.answer)]
    return [endpoint.problem, *(c.schema for c in contents if isinstance(c.schema, type))]


def _contents(declared: type | Sequence[Content] | None) -> Sequence[Content]:
    if declared is None:
        return ()
    return (Content(JSON, declared),) if isinstance(declared, type) else declared


def _operation(endpoint: Endpoint, schemas: _Schemas) -> _Schema:
    words = re.findall(r"\w+", endpoint.path)
    operation: _Schema = {
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "operationId": "_".join([endpoint.method.lower(), *words]),
        "parameters": [*_names(endpoint), *_query(endpoint, schemas)],
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if body := _contents(endpoint.body):
        operation["requestBody"] = {"required": True, "content": _content(body, schemas)}
    return operation


def _names(endpoint: Endpoint) -> list[_Schema]:
    meanings = endpoint.names or {}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": meanings.get(name, ""),
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)", endpoint.path)
    ]


def _query(endpoint: Endpoint, schemas: _Schemas) -> list[_Schema]:
    if endpoint.query is None:
        return []
    fields, required = schemas.properties(endpoint.query)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": schema.get("description", ""),
            "schema": {key: value for key, value in schema.items() if key != "description"},
        }
        for name, schema in fields.items()
    ]


def _responses(endpoint: Endpoint, schemas: _Schemas) -> _Schema:
    answer = _contents(endpoint.answer)
    responses: _Schema = {"200": {"description": "Done."}}
    if answer:
        responses["200"]["content"] = _content(answer, schemas)
        responses["200"]["description"] = answer[0].description or "Done."
    for status, meaning in (endpoint.statuses or {}).items():
        responses[str(status)] = {"description": meaning}
    refusals = endpoint.refusals()
    for status, known in _EVERYWHERE.items():
        refusals.setdefault(status, []).extend(known)
    for status, codes in sorted(refusals.items()):
        responses[str(status)] = _refusal(status, sorted(set(codes)), endpoint, schemas)
    return responses


def _refusal(status: int, codes: Sequence[str], endpoint: Endpoint, schemas: _Schemas) -> _Schema:
    schema = schemas.of(endpoint.problem)
    if endpoint.problem is Refused:
        code = {"properties": {"code": {"enum": list(codes)}}}
        schema = {"allOf": [schema, {"properties": {"error": code}}]}
    listed = ", ".join(f"`{code}`" for code in codes)
    response: _Schema = {
        "description": f"{HTTPStatus(status).phrase}: {listed}.",
        "content": {JSON: {"schema": schema}},
    }
    if status in _LATER:
        seconds = {"description": "Seconds.", "schema": {"type": "integer"}}
        response["headers"] = {"Retry-After": seconds}
    return response


def _content(contents: Sequence[Content], schemas: _Schemas) -> _Schema:
    return {content.media: _media(content, schemas) for content in contents}


def _media(content: Content, schemas: _Schemas) -> _Schema:
    if isinstance(content.schema, type):
        return {"schema": schemas.of(content.schema)}
    if isinstance(content.schema, Mapping):
        return {"schema": dict(content.schema)}
    return {"schema": {"type": "string", "format": "binary"}}  # bytes


def _described(schema: _Schema) -> _Schema:
    """Return a class's schema with what its docstring says of its fields beside each of them."""
    text, _, arguments = inspect.cleandoc(schema.get("description", "")).partition("\n\nArgs:\n")
    schema = {**schema, "description": text} if text else schema
    if "properties" not in schema:
        return schema
    told = _arguments(arguments)
    fields = {
        name: {**field, "description": told[name]} if name in told else field
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": fields}


def _arguments(text: str) -> dict[str, str]:
    """Return what a docstring says of each argument."""
    told: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(text).splitlines():
        if not line.startswith(" ") and (found := _ARGUMENT.match(line)):
            name = found[1]
            told[name] = found[2]
        elif name and line.strip():
            told[name] += f" {line.strip()}"
        elif not line.strip():
            break  # what comes behind the arguments
    return told
