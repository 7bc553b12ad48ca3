"""What a worker has revealed, on its way to whoever asked: the brain hands it on once, and cannot read it."""

from __future__ import annotations

import base64
from typing import Any

from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.operations import actions, queries
from z4j_brain.operations.models import Operation, Revealed
from z4j_brain.rbac.door import Door


class RevealedSerializer(serializers.Serializer[Revealed]):
    """`revealed`: in base64, encrypted to the key that was given as `to`, and bound to the task and to `command`."""

    command = serializers.UUIDField(source="command_id")
    revealed = serializers.SerializerMethodField()

    def get_revealed(self, found: Revealed) -> str:
        return base64.b64encode(found.blob).decode()


class RevealedView(Door):
    """The original that a worker has revealed to whoever asks here."""

    queryset: QuerySet[Operation] = QuerySet(Operation).none()
    serializer_class = RevealedSerializer

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Once, for five minutes, to the very person or token that asked for it; nobody else is given it, ever."""
        operation = queries.detail(self.actor, self.environment, self.kwargs["pk"])
        return Response(RevealedSerializer(actions.take_revealed(operation, actor=self.actor)).data)


routes = [
    path(
        "<slug:project>/<slug:environment>/operations/<uuid:pk>/revealed/",
        RevealedView.as_view({"get": "retrieve"}),
        name="api-operation-revealed",
    )
]
