"""A small JSON Schema validator: exactly the keywords that `schema.json` uses, and an error for any other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "null": (type(None),),
}
SILENT = {"$schema", "$id", "$defs", "title", "description", "properties", "required", "additionalProperties", "items"}


def errors(value: Any, schema: dict[str, Any], root: dict[str, Any], where: str = "$") -> Iterator[str]:
    """Every place where a value is not what the schema says."""
    for keyword, wanted in schema.items():
        if keyword == "$ref":
            yield from errors(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, where)
        elif keyword not in SILENT and not _holds(keyword, wanted, value, root):
            yield f"{where}: {keyword} {wanted}: {value!r:.60}"
    if isinstance(value, dict):
        yield from _members(value, schema, root, where)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from errors(item, schema["items"], root, f"{where}[{i}]")


def _members(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], where: str) -> Iterator[str]:
    yield from (f"{where}: {key} is missing" for key in schema.get("required", ()) if key not in value)
    known = schema.get("properties", {})
    for key, item in value.items():
        rule = known.get(key, schema.get("additionalProperties"))
        if rule is not None:
            yield from errors(item, rule, root, f"{where}.{key}")


def _holds(keyword: str, wanted: Any, value: Any, root: dict[str, Any]) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match keyword:
        case "type":
            names = [wanted] if isinstance(wanted, str) else wanted
            return any(isinstance(value, TYPES[n]) and not isinstance(value, bool) for n in names)
        case "const":
            return bool(value == wanted)
        case "enum":
            return value in wanted
        case "pattern":
            return not isinstance(value, str) or re.search(wanted, value) is not None
        case "minimum":
            return not is_number or value >= wanted
        case "maximum":
            return not is_number or value <= wanted
        case "minItems":
            return not isinstance(value, list) or len(value) >= wanted
        case "oneOf":
            return sum(not list(errors(value, option, root)) for option in wanted) == 1
        case _:
            raise NotImplementedError(keyword)
