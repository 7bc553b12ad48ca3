"""What every view of the API has in common: who asks, about which environment, and how the answer travels."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from z4j_brain.lib.jsonbody import StrictJSONParser
from z4j_brain.lib.listing import KeysetPagination, StrictFilterBackend
from z4j_brain.rbac import queries
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.authentication import SignedIn
from z4j_brain.rbac.models import Environment


class Door(GenericViewSet[Any]):
    """Whoever is signed in comes in; what they may see there, the queries decide.

    Keyset lists, strict filters, strict bodies; answers are never cached.
    """

    permission_classes = (SignedIn,)
    pagination_class = KeysetPagination
    filter_backends = (StrictFilterBackend,)
    parser_classes = (StrictJSONParser,)
    metadata_class = None
    environment: Environment
    http_method_names = ["get", "head", "post", "delete"]

    @cached_property
    def actor(self) -> Actor:
        return Actor.of(self.request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "environment" in self.kwargs:
            # First of all, so that a stranger gets the same 404 whatever else is wrong with the request.
            self.environment = queries.environment(self.actor, self.kwargs["project"], self.kwargs["environment"])

    def valid(self, serializer: type[Serializer[Any]]) -> dict[str, Any]:
        """The body as `serializer` reads it; a 400 that points at what is wrong with it."""
        reader = serializer(data=self.request.data)
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = "no-store"
        return final


class StrictSerializer(Serializer[Any]):
    """A body in which every name is known."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise ValidationError({name: ["Unknown field."] for name in unknown})
        return super().to_internal_value(data)
