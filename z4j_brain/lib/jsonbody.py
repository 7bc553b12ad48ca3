"""The parser of the API's bodies: JSON that is finite, flat enough and says each thing once. Anything else is a 400."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            text = stream.read().decode("utf-8")
            found = json.loads(text, object_pairs_hook=_once, parse_constant=refuse_constant, parse_float=finite)
            if "\\ud" in text.lower():
                json.dumps(found, ensure_ascii=False).encode("utf-8")  # half a character cannot be encoded
            return found
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not valid JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("a number is out of range")
    return number


def refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")
