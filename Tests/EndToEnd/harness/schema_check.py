"""Holds messages against schema/isorun.openrpc.json and the protocol's table of errors."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

try:
    import jsonschema
except ImportError:  # the tests then say so by a skip
    jsonschema = None

#: Every code of the protocol and its kind.
KINDS: dict[int, str] = {
    -32700: "ParseError", -32600: "InvalidRequest", -32601: "MethodNotFound", -32602: "InvalidParams",
    -32603: "InternalError", -32002: "ServerNotInitialized", -32800: "RequestCancelled",
    1001: "SandboxNotFound", 1002: "SandboxDestroyed", 1003: "WrongState", 1004: "SandboxFailed",
    1010: "SnapshotNotFound", 1011: "SnapshotIncompatible", 1012: "SnapshotCorrupt",
    1020: "ImageNotFound", 1021: "ImageInvalid", 1022: "ImageInUse", 1023: "PullFailed",
    1030: "ProcessNotFound", 1031: "CommandNotFound", 1032: "CommandNotExecutable", 1033: "StdinClosed",
    1040: "PathNotFound", 1041: "PathExists", 1042: "PathNotDirectory", 1043: "PathIsDirectory",
    1044: "PermissionDenied", 1045: "CommitConflict", 1050: "RuntimeStateUnsupported", 1060: "LimitExceeded", 1061: "NoSpace",
    1070: "NetworkUnavailable", 1080: "HostUnsupported", 1090: "StoreLocked", 1091: "StoreCorrupt",
}  # fmt: skip


def schema_path() -> Path:
    """The document: where the runner says it is, else in the repository that this file lies in."""
    named = os.environ.get("ISORUN_SCHEMA")
    return Path(named) if named else Path(__file__).parents[3] / "schema" / "isorun.openrpc.json"


@functools.cache
def document() -> dict:
    return json.loads(schema_path().read_text())


def resolve(node: dict) -> dict:
    """Follows a local $ref of the document."""
    while "$ref" in node:
        target = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


@functools.cache
def methods() -> dict[str, dict]:
    return {method["name"]: method for method in map(resolve, document()["methods"])}


def breaches(traffic: list[tuple[str, dict]]) -> list[str]:
    """All that is wrong in the recorded messages of one connection, both ways."""
    return _sent_breaches(traffic) + engine_side_breaches(traffic)


def engine_side_breaches(traffic: list[tuple[str, dict]]) -> list[str]:
    """What is wrong in the messages that the engine sent; tests may send wrong ones on purpose."""
    if jsonschema is None or not document().get("methods"):
        return []
    asked = {_key(m["id"]): m["method"] for direction, m in traffic if direction == "sent" and "id" in m}
    found: list[str] = []
    for direction, message in traffic:
        if direction == "received":
            found += _envelope_breaches(message)
            if "method" in message:
                found += _params_breaches(message)
            elif "error" in message:
                found += _error_breaches(message["error"], asked.get(_key(message["id"])))
            elif _key(message["id"]) in asked:
                found += _result_breaches(asked[_key(message["id"])], message["result"])
    return found


def _sent_breaches(traffic: list[tuple[str, dict]]) -> list[str]:
    return [breach for direction, m in traffic if direction == "sent" for breach in _params_breaches(m)]


def _envelope_breaches(message: dict) -> list[str]:
    allowed = ({"jsonrpc", "method", "params"}, {"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
    right = message.get("jsonrpc") == "2.0" and any(set(message) <= keys for keys in allowed)
    return [] if right else [f"not a JSON-RPC 2.0 message: {message}"]


def _params_breaches(message: dict) -> list[str]:
    method = methods().get(message["method"])
    if method is None:
        return [f"{message['method']} is not in the schema"]
    known = {p["name"]: p for p in map(resolve, method["params"])}
    params = message.get("params") or {}
    found = [f"{method['name']}: the schema has no parameter {name!r}" for name in params if name not in known]
    for name, parameter in known.items():
        if name in params:
            found += _validate(parameter["schema"], params[name], f"{method['name']} params.{name}")
        elif parameter.get("required"):
            found.append(f"{method['name']}: the required parameter {name!r} is missing")
    return found


def _result_breaches(method_name: str, result) -> list[str]:
    method = methods().get(method_name)
    if method is None or "result" not in method:
        return [f"{method_name} was answered and the schema gives it no result"]
    return _validate(resolve(method["result"])["schema"], result, f"{method_name} result")


def _error_breaches(error: dict, method_name: str | None) -> list[str]:
    """Whether an error is one of the protocol, well formed, and one that its method may fail with."""
    code, kind = error.get("code"), (error.get("data") or {}).get("kind")
    if KINDS.get(code) != kind or kind is None:
        return [f"error {code} with kind {kind!r} is not in the protocol: {error}"]
    if not set(error) <= {"code", "message", "data"} or not error.get("message"):
        return [f"not an error object: {error}"]
    method = methods().get(method_name, {})
    if code >= 0 and method and code not in [resolve(e)["code"] for e in method.get("errors", [])]:
        return [f"{method_name} failed with an error that the schema does not give it: {error}"]
    data_schema = document()["components"]["errors"][kind]["x-data-schema"]
    return _validate(data_schema, error["data"], f"{method_name} error {kind}")


def _validate(schema: dict, value, where: str) -> list[str]:
    return [
        f"{where}: {'.'.join(map(str, error.absolute_path))}: {error.message[:500]}"
        for error in _validator(json.dumps(schema)).iter_errors(value)
    ]


@functools.cache
def _validator(schema_text: str):
    resolver = jsonschema.RefResolver(base_uri="", referrer=document())
    return jsonschema.Draft202012Validator(json.loads(schema_text), resolver=resolver)


def _key(request_id) -> tuple[type, object]:
    return type(request_id), request_id
