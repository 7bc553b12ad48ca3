"""Pages of a list by keyset: a signed, opaque cursor names the row to go on from, so that every page costs the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core import signing
from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet

from z4j_brain.lib.problem import Fault, Problem

MAX_SIZE = 200
_SALT = "z4j.keyset"

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in order; `next` and `previous` are cursors, null at the ends."""

    results: list[Row]
    next: str | None
    previous: str | None


def page(queryset: QuerySet[Row], cursor: str | None, size: int, order: str = "-id") -> Page[Row]:
    """`size` rows (1 to 200) of `queryset` by `order`, from `cursor` on. A tampered cursor is a 400.

    `order` names a column that is never null.
    """
    size = max(1, min(size, MAX_SIZE))
    field, falling = order.removeprefix("-"), order.startswith("-")
    back, start = _read(cursor, order, queryset.model) if cursor else (False, None)
    down = falling != back  # the direction in which this query walks
    if start is not None:
        queryset = queryset.filter(_beyond(field, start, "lt" if down else "gt"))
    sign = "-" if down else ""
    keys = [f"{sign}{field}"] if field in ("id", "pk") else [f"{sign}{field}", f"{sign}pk"]
    rows = list(queryset.order_by(*keys)[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    if back:
        rows.reverse()
    if not rows:
        return Page([], None, None)
    has_next, has_previous = (True, more) if back else (more, start is not None)
    return Page(
        rows,
        _write(rows[-1], order, back=False) if has_next else None,
        _write(rows[0], order, back=True) if has_previous else None,
    )


def cursor(pk: int, *, back: bool = False) -> str:
    """A cursor of a list by id, newest first, at a row that need not stand on a page."""
    return signing.dumps(["-id", back, str(pk), str(pk)], salt=_SALT)


def position(cursor: str, model: type[Model]) -> tuple[bool, int]:
    """Whether such a cursor leads back, and the row it names. A tampered cursor is a 400."""
    back, (_, pk) = _read(cursor, "-id", model)
    return back, int(pk)


def _beyond(field: str, start: tuple[Any, Any], than: str) -> Q:
    value, pk = start
    if field in ("id", "pk"):
        return Q(**{f"pk__{than}": pk})
    return Q(**{f"{field}__{than}": value}) | Q(**{field: value, f"pk__{than}": pk})


def _write(row: Model, order: str, *, back: bool) -> str:
    field = order.removeprefix("-")
    text = _field(type(row), field).value_to_string(row)
    return signing.dumps([order, back, text, str(row.pk)], salt=_SALT)


def _read(cursor: str, order: str, model: type[Model]) -> tuple[bool, tuple[Any, Any]]:
    try:
        made_for, back, text, pk = signing.loads(cursor, salt=_SALT)
        if made_for != order:
            raise ValueError("The cursor belongs to another order.")
        start = _field(model, order.removeprefix("-")).to_python(text), _field(model, "pk").to_python(pk)
        if None in start:
            raise ValueError("A cursor names a row.")
        return bool(back), start
    except (signing.BadSignature, ValueError, TypeError, ValidationError) as error:
        fault = Fault(pointer="cursor", detail="Use `next` or `previous` of a page as they are.")
        raise Problem(400, "cursor", "Unknown cursor", "The cursor was not made by this list.", [fault]) from error


def _field(model: type[Model], name: str) -> Field[Any, Any]:
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    if not isinstance(field, Field):
        raise TypeError(f"{model.__name__}.{name} is no column to order by.")
    return field
