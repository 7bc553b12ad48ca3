"""The one filter that pages of an account need besides the panel's."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.core.serializers.json import DjangoJSONEncoder

register = template.Library()


@register.filter
def as_json(value: Any) -> str:
    """For an attribute that a script reads; the template escapes it."""
    return json.dumps(value, cls=DjangoJSONEncoder)
