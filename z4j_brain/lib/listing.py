"""Lists of the API: `{results, next, previous}` by keyset, and filters that refuse what they do not know."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import django_filters as filters
from django import forms
from django.db import models
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext
from django_filters.constants import EMPTY_VALUES
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from z4j_brain.lib import keyset
from z4j_brain.lib.problem import Fault, Problem

PAGE_SIZE = 50
#: Values that one `__in` takes.
MAX_VALUES = 100
MAX_INTEGER = 2**63 - 1

Row = TypeVar("Row", bound=Model)


def invalid(faults: Sequence[Fault]) -> Problem:
    return Problem(400, "invalid", gettext("Invalid request"), gettext("Some of what was sent is not valid."), faults)


class KeysetPagination(BasePagination):
    """Newest first; `next` and `previous` are addresses. The view may name another order by `order`."""

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        order = getattr(view, "order", "-id")
        return self.read(request, lambda cursor, size: keyset.page(queryset, cursor, size, order))

    def read(self, request: Request, page: Callable[[str | None, int], keyset.Page[Any]]) -> list[Any]:
        """The rows of the page that the request asks for, read in the view's own way."""
        self.address = request.build_absolute_uri()
        self.page = page(request.query_params.get("cursor"), _size(request))
        return self.page.results

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {"results": data, "next": self._address(self.page.next), "previous": self._address(self.page.previous)}
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"results": schema, "next": link, "previous": link}
        return {"type": "object", "required": [*properties], "properties": properties}

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": keyset.MAX_SIZE, "default": PAGE_SIZE}
        cursor = "Taken from `next` or `previous` of a page."
        return [
            {"name": "cursor", "in": "query", "description": cursor, "schema": {"type": "string"}},
            {"name": "page_size", "in": "query", "description": "Rows a page.", "schema": size},
        ]

    def _address(self, cursor: str | None) -> str | None:
        return replace_query_param(self.address, "cursor", cursor) if cursor else None


def _size(request: Request) -> int:
    text = request.query_params.get("page_size", str(PAGE_SIZE))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= keyset.MAX_SIZE):
        raise invalid([{"pointer": "page_size", "detail": f"A whole number from 1 to {keyset.MAX_SIZE}."}])
    return int(text)


class Text(forms.CharField):
    """Text of at most 512 characters, taken as it is."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 512)
        super().__init__(**kwargs, strip=False)


class Whole(forms.IntegerField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": -MAX_INTEGER, "max_value": MAX_INTEGER} | kwargs)


class Moment(forms.Field):
    """A time as RFC 3339 writes it; without an offset it is UTC."""

    def clean(self, value: Any) -> datetime | None:
        if value in EMPTY_VALUES:
            return None
        try:
            moment = datetime.fromisoformat(str(value).replace(" ", "+"))  # a plus that was not escaped
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            raise forms.ValidationError("A time such as 2026-11-22T14:00:00Z.") from None


class TextFilter(filters.CharFilter):
    field_class = Text


class WholeFilter(filters.NumberFilter):
    field_class = Whole

    def get_max_validator(self) -> None:
        return None


class FloatFilter(filters.Filter):
    field_class = forms.FloatField


class MomentFilter(filters.Filter):
    field_class = Moment


class TextIn(filters.BaseInFilter, TextFilter):
    """Any of several texts, joined by commas."""


class ChoiceIn(filters.BaseInFilter, filters.ChoiceFilter):
    """Any of several words, joined by commas."""


class StrictFilterSet(filters.FilterSet):
    """Filters by name; a parameter that is unknown, given twice or not valid is a problem of status 400."""

    FILTER_DEFAULTS = {
        models.CharField: {"filter_class": TextFilter},
        models.DateTimeField: {"filter_class": MomentFilter},
        models.FloatField: {"filter_class": FloatFilter},
        models.IntegerField: {"filter_class": WholeFilter},
        models.AutoField: {"filter_class": WholeFilter},
    }
    base_filters: dict[str, filters.Filter]
    #: Parameters that are no filters.
    also = frozenset({"cursor", "page_size"})

    def __init__(self, data: Any, *args: Any, environment: Any = None, **kwargs: Any) -> None:
        # Only what is asked for is made: a list has dozens of filters, and each costs a form field.
        self.every = self.base_filters
        self.base_filters = {name: one for name, one in self.every.items() if name in data}
        super().__init__(data, *args, **kwargs)
        self.environment = environment

    def faults(self) -> list[Fault]:
        found = [*self._strange(), *self._crowded()]
        for name, errors in json.loads(self.form.errors.as_json()).items():
            found += [Fault(pointer=name, detail=error["message"]) for error in errors]
        return found

    def narrowed(self) -> QuerySet[Any]:
        if faults := self.faults():
            raise invalid(faults)
        narrowed: QuerySet[Any] = self.qs
        return narrowed

    def _strange(self) -> Iterable[Fault]:
        names = self.every
        for name in sorted(set(self.data) - set(names) - self.also):
            field, _, operator = name.partition("__")
            known = sorted(f"__{other.partition('__')[2]}" for other in names if other.startswith(f"{field}__"))
            if operator and (known or field in names):
                told = {"field": field, "names": ", ".join(known) or gettext("none")}
                detail = gettext("Unknown operator; %(field)s takes %(names)s.") % told
            else:
                detail = gettext("Unknown filter.")
            yield Fault(pointer=name[:64], detail=detail)

    def _crowded(self) -> Iterable[Fault]:
        lists = (
            self.data.lists() if isinstance(self.data, QueryDict) else ((name, [self.data[name]]) for name in self.data)
        )
        for name, values in lists:
            if len(values) > 1:
                yield Fault(pointer=name[:64], detail=gettext("Given twice; join several values by commas in __in."))
            if name.endswith("__in") and values[-1].count(",") >= MAX_VALUES:
                yield Fault(pointer=name[:64], detail=gettext("At most %(n)s values.") % {"n": MAX_VALUES})


class StrictFilterBackend(DjangoFilterBackend):
    """Applies the view's `filterset_class`; a list without filters refuses every parameter of that kind too."""

    def get_filterset_class(self, view: APIView, queryset: QuerySet[Any] | None = None) -> type[filters.FilterSet]:
        return getattr(view, "filterset_class", None) or StrictFilterSet

    def get_filterset_kwargs(self, request: Request, queryset: QuerySet[Any], view: APIView) -> dict[str, Any]:
        return {
            "data": request.query_params,
            "queryset": queryset,
            "request": request,
            "environment": getattr(view, "environment", None),
        }

    def filter_queryset(self, request: Request, queryset: QuerySet[Row], view: APIView) -> QuerySet[Row]:
        filterset = self.get_filterset(request, queryset, view)
        if not isinstance(filterset, StrictFilterSet):
            raise TypeError("A filterset of the API is a StrictFilterSet.")
        return filterset.narrowed()
