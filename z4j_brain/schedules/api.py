"""Schedules over the API: lists, one of them, its runs, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from z4j_brain.lib.listing import invalid
from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.operations import options as choices
from z4j_brain.operations.api import IDEMPOTENCY_KEY, AskingDoor, OperationSerializer, ReasonSerializer
from z4j_brain.operations.models import Operation
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac import access
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.action import REGISTRY
from z4j_brain.rbac.door import Door, StrictSerializer
from z4j_brain.rbac.states import Permission
from z4j_brain.schedules import actions, judged, own, spoken, view
from z4j_brain.schedules.actions import create as ask_to_make
from z4j_brain.schedules.filters import RunFilter, ScheduleFilter
from z4j_brain.schedules.models import Run, Schedule
from z4j_brain.schedules.options import Creating, Disabling, Editing, notices
from z4j_brain.schedules.own import create as make_own
from z4j_brain.schedules.states import OWN, CatchUp, Overlap, ScheduleState
from z4j_brain.schedules.targets import Schedulers
from z4j_brain.schedules.verbs import CREATE, EDIT

#: One schedule, pointed at: also when its agent has yet to come back. A run is for now or not at all.
ONE = {"wait": True}
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="The ETag of the schedule as you have seen it."
)


class RunSerializer(serializers.ModelSerializer[Run]):
    """A due time and what became of it, or a task that somebody had sent (`asked`). `why`: it went otherwise. `times`:
    how many due times on end it stands for, to `until_at`. `late_ms`: from when it was due until it was sent.
    """

    class Meta:
        model = Run
        fields = [
            *("id", "state", "moment", "due_at", "due_told", "fired_at", "task_id", "engine", "asked", "why", "times"),
            *("until_at", "started_at", "finished_at", "runtime_ms", "late_ms", "overlapped", "operation"),
        ]


class CapabilitySerializer(serializers.Serializer[judged.Capability]):
    can = serializers.BooleanField()
    why = serializers.CharField()
    note = serializers.CharField()


class DisabledSerializer(serializers.Serializer[Schedule]):
    at = serializers.DateTimeField(source="disabled_at", allow_null=True)
    by = serializers.CharField(source="disabled_by", allow_null=True)
    reason = serializers.CharField(source="disabled_reason", allow_null=True)
    until = serializers.DateTimeField(source="disabled_until", allow_null=True)


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    """`source`: the scheduler that keeps it, `z4j` for those of z4j itself. `every`: seconds. `text`: the plan as its
    scheduler writes it, `words`: in plain language. `next`: up to five due times. `code`: the plan in the code, where
    the one in force is another. `cannot`: why its scheduler cannot do something to this one, by its verb;
    `capabilities`: what the caller can ask for now, by the verbs of this API. `args` and `kwargs` are null for whoever
    may not see those of tasks; a scheduler tells them redacted, as text.
    """

    name = serializers.CharField(source="key", read_only=True)
    every = serializers.SerializerMethodField()
    grace = serializers.SerializerMethodField()
    args = serializers.SerializerMethodField()
    kwargs = serializers.SerializerMethodField()
    words = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=ScheduleState.choices, read_only=True)
    next = serializers.SerializerMethodField()
    notices = serializers.SerializerMethodField()
    last_run = serializers.SerializerMethodField()
    disabled = serializers.SerializerMethodField()
    capabilities = serializers.SerializerMethodField()

    class Meta:
        model = Schedule
        fields = [
            *("id", "source", "key", "name", "task", "engine", "queue", "args", "kwargs", "plan", "cron", "every"),
            *("at", "zone", "text", "words", "enabled", "state", "next", "notices", "definition", "code"),
            *("cannot", "capabilities", "last_run", "last_at", "disabled", "catch_up", "overlap", "grace", "version"),
            *("told_at", "gone_at", "created_at", "created_by"),
        ]

    @extend_schema_field({"type": ["number", "null"]})
    def get_every(self, row: Schedule) -> float | None:
        return row.every_us / 1_000_000 if row.every_us else None

    @extend_schema_field({"type": ["number", "null"]})
    def get_grace(self, row: Schedule) -> float | None:
        """Seconds that a due time of z4j's own may wait for an agent; null: as usual."""
        return row.grace_us / 1_000_000 if row.grace_us else None

    @extend_schema_field({"type": ["string", "null"]})
    def get_args(self, row: Schedule) -> str | None:
        return row.args if self.context["sees_payload"] else None

    @extend_schema_field({"type": ["string", "null"]})
    def get_kwargs(self, row: Schedule) -> str | None:
        return row.kwargs if self.context["sees_payload"] else None

    def get_words(self, row: Schedule) -> str:
        return spoken.words(row)

    @extend_schema_field(serializers.ListField(child=serializers.DateTimeField()))
    def get_next(self, row: Schedule) -> list[str]:
        found = spoken.upcoming(row, timezone.now())
        return [moment.astimezone(UTC).isoformat().replace("+00:00", "Z") for moment in found]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_notices(self, row: Schedule) -> list[str]:
        """What changed clocks do to it in the coming year."""
        return [f"{notice.change.what} {notice.then}".strip() for notice in spoken.changes([row], timezone.now())]

    @extend_schema_field(RunSerializer(allow_null=True))
    def get_last_run(self, row: Schedule) -> Any:
        run = self.context["runs"].get(row.pk)
        return RunSerializer(run).data if run else None

    @extend_schema_field(DisabledSerializer(allow_null=True))
    def get_disabled(self, row: Schedule) -> Any:
        """Null while it is enabled."""
        return None if row.enabled else DisabledSerializer(row).data

    @extend_schema_field(serializers.DictField(child=CapabilitySerializer()))
    def get_capabilities(self, row: Schedule) -> Any:
        found = self.context["capabilities"][row.pk]
        return {verb: CapabilitySerializer(one).data for verb, one in found.items()}


class DisableSerializer(ReasonSerializer):
    until = serializers.CharField(max_length=40, required=False, help_text="Then it is enabled again; RFC 3339.")


class PlanSerializer(StrictSerializer):
    """Only what is named changes. One of `cron`, `every` and `at`; a zone alone moves a cron into that zone."""

    cron = serializers.CharField(required=False, help_text="Five fields, or six with the seconds first.")
    every = serializers.FloatField(required=False, help_text="Seconds.")
    at = serializers.CharField(required=False, help_text="Once, then: RFC 3339; without an offset in `zone`.")
    zone = serializers.CharField(required=False, help_text="Such as Europe/Berlin.")
    args = serializers.ListField(required=False)
    kwargs = serializers.DictField(required=False)
    queue = serializers.CharField(required=False, allow_blank=True)
    task = serializers.CharField(required=False, help_text="Of z4j's own.")
    engine = serializers.CharField(required=False, help_text="Of z4j's own: whose tasks it sends.")
    catch_up = serializers.ChoiceField(choices=CatchUp.choices, required=False, help_text="Of z4j's own.")
    overlap = serializers.ChoiceField(choices=Overlap.choices, required=False, help_text="Of z4j's own.")
    grace = serializers.FloatField(required=False, allow_null=True, help_text="Of z4j's own: seconds.")
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class EditSerializer(PlanSerializer):
    key = serializers.CharField(required=False, help_text="Of z4j's own.")


class CreateSerializer(PlanSerializer):
    """Of z4j's own unless `source` names a scheduler: then the answer is the operation that asks that for it."""

    source = serializers.CharField(max_length=32, default=OWN)  # type: ignore[assignment]
    key = serializers.CharField(max_length=200)
    enabled = serializers.BooleanField(required=False, help_text="Of z4j's own.")


class AskedSerializer(OperationSerializer):
    """The operation, and what there is to know about the plan that was asked for."""

    notices = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta(OperationSerializer.Meta):
        fields = [*OperationSerializer.Meta.fields, "notices"]


def etag(row: Schedule) -> str:
    return f'"{row.version}"'


class ScheduleView(mixins.ListModelMixin, mixins.RetrieveModelMixin, AskingDoor):
    """What is planned here, whoever keeps it: newest first."""

    queryset: QuerySet[Schedule] = QuerySet(Schedule).none()
    serializer_class = ScheduleSerializer
    filterset_class = ScheduleFilter
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[Schedule]:
        return view.schedules(self.actor, self.environment)

    def get_object(self) -> Schedule:
        return judged.detail(self.actor, self.environment, self.kwargs["pk"])

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What is planned here, whoever keeps it: newest first."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self._shown(rows))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One schedule. Its ETag is what a change of it has to send as If-Match."""
        return self._told(self.get_object())

    @extend_schema(
        request=CreateSerializer,
        responses={201: ScheduleSerializer, 202: AskedSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a schedule: one of z4j's own at once (201), one of a scheduler by an operation (202)."""
        asked = self._body(CreateSerializer, CREATE)
        source, reason = asked.pop("source"), asked.pop("reason")
        if source == OWN:
            made = make_own(self.environment, asked, actor=self.actor, reason=reason)
            return self._told(made, status.HTTP_201_CREATED)
        target = f"{source}/{asked.pop('key')}"
        options = choices.read(Creating, asked, pointer="#")
        self._demand_room(target, source)

        def run(claim: Any) -> Operation:
            wanted = {**options, **ONE}
            return ask_to_make(self.environment, [target], wanted, actor=self.actor, reason=reason, claim=claim)

        return self._asked(run, notices(options))

    @extend_schema(
        request=EditSerializer, responses={200: ScheduleSerializer, 202: AskedSerializer}, parameters=[IF_MATCH]
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a schedule: one of z4j's own at once (200), one of a scheduler by an operation (202). Whoever has seen
        an older version is refused (412).
        """
        row = self.get_object()
        asked = self._body(EditSerializer, EDIT)
        version, reason = self._matched(row), asked.pop("reason")
        if row.source == OWN:
            return self._told(own.edit(row, asked, version, actor=self.actor, reason=reason))
        self._demand_there(row)
        options = choices.read(Editing, asked, pointer="#")

        def run(claim: Any) -> Operation:
            wanted = {**options, **ONE, **({} if version is None else {"version": version})}
            return actions.edit(self.environment, [row.pk], wanted, actor=self.actor, reason=reason, claim=claim)

        return self._asked(run, notices(options, row.zone))

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take a schedule out of its scheduler for good; of one that is gone there, what is left here."""
        row = self.get_object()
        if "If-Match" in request.headers:
            self._matched(row)
        return self._ask_one(row, actions.delete, ONE)

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def enable(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have it fire again, from its next due time on."""
        return self._ask_one(self._there(), actions.enable, ONE)

    @extend_schema(request=DisableSerializer, responses={202: OperationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def disable(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have it fire no more, until it is enabled or, where that is said, until then."""
        row, asked = self._there(), self.valid(DisableSerializer)
        options = choices.read(Disabling, {"until": asked.get("until", "")}, pointer="#")
        return self._ask(row, actions.disable, {**options, **ONE}, asked["reason"])

    @extend_schema(request=ReasonSerializer, responses={202: OperationSerializer}, parameters=[IDEMPOTENCY_KEY])
    def run(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send its task once, now, beside its due times. If it runs already, it runs twice at once."""
        return self._ask_one(self._there(), actions.run, {})

    def _ask_one(self, row: Schedule, action: Callable[..., Operation], options: dict[str, Any]) -> Response:
        return self._ask(row, action, options, self.valid(ReasonSerializer)["reason"])

    def _ask(self, row: Schedule, action: Callable[..., Operation], options: dict[str, Any], reason: str) -> Response:
        return self.ask(
            lambda claim: action(self.environment, [row.pk], options, actor=self.actor, reason=reason, claim=claim)
        )

    def _asked(self, run: Callable[[Any], Operation], told: Sequence[str]) -> Response:
        answer = self.ask(run)
        answer.data = {**answer.data, "notices": list(told)}
        return answer

    def _body(self, serializer: type[StrictSerializer], verb: Verb) -> dict[str, Any]:
        """What is wrong with a wish is nobody's business who may not have it: that is refused, on record."""
        if not rbac.may(self.actor, verb.permission, self.environment):
            REGISTRY[verb.name].run(self.environment, (), actor=self.actor)
        return self.valid(serializer)

    def _there(self) -> Schedule:
        row = self.get_object()
        self._demand_there(row)
        return row

    def _demand_there(self, row: Schedule) -> None:
        if row.gone_at is not None:
            detail = f"{row.source} has it no more. Make it there again, or delete what is left of it here."
            raise Problem(409, "vanished", "No longer in its scheduler", detail, [Fault(pointer="#", detail=detail)])

    def _demand_room(self, target: str, source: str) -> None:
        if not Schedulers().known(self.environment, [target]):
            detail = f"No agent has told of a scheduler {source} here."
            raise invalid([Fault(pointer="#/source", detail=detail)])
        key = target.partition("/")[2]
        if judged.is_taken(self.environment, source, key):
            raise invalid([Fault(pointer="#/key", detail=f"{source} has a schedule {key} already.")])

    def _matched(self, row: Schedule) -> int | None:
        """The version that the caller has seen; None: any. 428 where they do not say, 412 where it is another."""
        said = self.request.headers.get("If-Match")
        if said is None:
            detail = "Say which version you have seen: send its ETag as If-Match."
            raise Problem(428, "if_match", "Which version?", detail, [Fault(pointer="If-Match", detail=detail)])
        if said.strip() == "*":
            return None
        if etag(row) not in [one.strip().removeprefix("W/") for one in said.split(",")]:
            raise judged.stale(row)
        return row.version

    def _told(self, row: Schedule, code: int = status.HTTP_200_OK) -> Response:
        return Response(self._shown([row])[0], code, headers={"ETag": etag(row)})

    def _shown(self, rows: Sequence[Schedule]) -> Any:
        context = {
            **self.get_serializer_context(),
            "sees_payload": self._sees_payload(),
            "runs": judged.last_runs(rows),
            "capabilities": judged.capabilities(self.actor, self.environment, rows),
        }
        return ScheduleSerializer(rows, many=True, context=context).data

    def _sees_payload(self) -> bool:
        """A token asks by its scope; in a session, values are for the page that shows them."""
        held = access.permissions(self.actor, self.environment)
        return self.actor.token is not None and Permission.VIEW_PAYLOAD in held


class RunView(mixins.ListModelMixin, Door):
    """What became of the due times of a schedule, the latest first."""

    queryset: QuerySet[Run] = QuerySet(Run).none()
    serializer_class = RunSerializer
    filterset_class = RunFilter
    order = "-moment"

    def get_queryset(self) -> QuerySet[Run]:
        return judged.runs(judged.detail(self.actor, self.environment, self.kwargs["pk"]))
