"""What a person is asked before an operation: on what, how, and what would happen. One page for every verb.

The address says all of it: the targets by name (`target=1&target=2`) or the list they were seen in (its own address),
and the options. So a preview can be shared, gone back to, and changed by changing the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from django.http import QueryDict
from django.utils.translation import gettext

from z4j_brain.lib import why
from z4j_brain.lib.digits import whole
from z4j_brain.lib.problem import Fault, Problem
from z4j_brain.lib.words import level
from z4j_brain.operations import asking, nouns, targets
from z4j_brain.operations.asking import Preview, Wish
from z4j_brain.operations.idempotency import Claim, Taken
from z4j_brain.operations.models import Operation
from z4j_brain.operations.options import Options
from z4j_brain.operations.targets import Kind
from z4j_brain.operations.verbs import Verb
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Environment

#: More than that many targets, and the panel has their number typed.
MANY = 500
#: Of the form, and of nothing else.
_OURS = frozenset({"key", "target", "preview", "reason", "confirm", "csrfmiddlewaretoken", "cursor"})


@dataclass(slots=True)
class Question:
    """`errors`: by the name of the field; by "" what belongs to none. `subject`: what leads to the same targets.
    `about`: what the target is called, when it is one that was named.
    """

    verb: Verb
    kind: Kind
    form: Options
    subject: list[tuple[str, str]]
    preview: Preview | None = None
    errors: dict[str, list[str]] = field(default_factory=dict)
    reason: str = ""
    key: str = field(default_factory=lambda: uuid4().hex)
    about: str = ""

    @property
    def able(self) -> int:
        return len(self.preview.plan.able) if self.preview else 0

    @property
    def is_many(self) -> bool:
        return self.preview is not None and self.preview.plan.total > 1

    @property
    def to_type(self) -> int | None:
        """The number that has to be typed before it is done."""
        if self.preview is None or not self.able:
            return None
        if self.preview.plan.confirm is not None:
            return self.preview.plan.confirm
        return self.able if self.able > MANY else None

    @property
    def noun(self) -> str:
        return nouns.noun(self.kind.name if self.able == 1 else self.kind.plural)

    @property
    def counted(self) -> str:
        """`3 tasks`."""
        return nouns.counted(self.able, self.kind.name, self.kind.plural)

    @property
    def said(self) -> str:
        """`Retry 3 tasks`, as its button says it."""
        return nouns.headline(self.verb.verb, self.counted)

    @property
    def title(self) -> str:
        if self.about or not self.able:
            return str(self.verb.label)
        return f"{self.said}?"

    @property
    def takes(self) -> str:
        """How long it takes until all is sent: an estimate, and it reads like one."""
        seconds = self.preview.plan.seconds if self.preview else 0.0
        return gettext("a second") if seconds < 1.5 else level(round(seconds) * 1000)

    @property
    def pace_is_open(self) -> bool:
        return any(bound.value() not in (None, "", False) for bound in self.form.pace) or bool(
            self.errors.keys() & {bound.name for bound in self.form.pace}
        )


def ask(environment: Environment, actor: Actor, verb: Verb, query: QueryDict) -> Question:
    """The question as an address puts it. What is wrong stands next to its field; without it there is no preview."""
    question = _question(environment, verb, query)
    try:
        wish = asking.read(environment, actor, _asked(question, query))
        question.preview = asking.preview(environment, actor, wish)
    except Problem as problem:
        if any(name in query for name in question.form.fields):
            question.errors = _by_field(problem)
        elif not _is_of_options(problem):
            question.errors = {"": [problem.detail]} if not problem.errors else _by_field(problem)
    return _marked(question)


def answer(
    environment: Environment, actor: Actor, verb: Verb, given: QueryDict, more: Mapping[str, Any]
) -> tuple[Question, Operation | None]:
    """The operation, or the question once more with what is wrong about the answer. `more`: options beside the form.

    A form has a key that counts once: pressed twice, it makes one operation.
    """
    question = _question(environment, verb, given)
    claim = _claim(actor, verb, given)
    try:
        if claim and (before := claim.answered()):
            return question, before
        asked = _asked(question, given)
        wish = asking.read(environment, actor, asked | {"options": {**asked["options"], **more}})
        if more:  # a single target, in a dialog that has said all there is to say
            return question, asking.run(environment, actor, wish, question.reason, claim=claim)
        question.preview = asking.preview(environment, actor, wish)
        confirm = _typed(given.get("confirm", ""))
        question.errors = _left_open(environment, question, confirm)
        if question.errors:
            return _marked(question), None
        wish = Wish(verb, wish.options, wish.ids, wish.subject, question.preview.snapshot)
        confirm = question.preview.snapshot.confirm
        return question, asking.run(environment, actor, wish, question.reason, confirm, claim)
    except Taken:
        return question, claim.answered() if claim else None
    except Problem as problem:
        question.errors = _by_field(problem)
        return _marked(question), None


def _claim(actor: Actor, verb: Verb, given: QueryDict) -> Claim | None:
    key = given.get("key", "")
    body = {name: given.getlist(name) for name in sorted(given) if name not in ("csrfmiddlewaretoken", "key")}
    return Claim.of(actor, key, verb.name, body) if key else None


def _question(environment: Environment, verb: Verb, query: QueryDict) -> Question:
    # What nobody has filled in yet is not wrong.
    form = verb.options({name: query[name] for name in verb.options.base_fields if name in query} or None)
    subject = [("target", pk) for pk in query.getlist("target")]
    if not subject:
        beside = set(verb.options.base_fields) | _OURS
        subject = [(name, str(query[name])) for name in query if name not in beside]
    question = Question(verb, targets.kind(verb.kind), form, subject, reason=why.of(query))
    if len(subject) == 1 and subject[0][0] == "target":
        question.about = _name(environment, question.kind, subject[0][1])
    return question


def _name(environment: Environment, kind: Kind, pk: str) -> str:
    found = kind.resolve(environment.pk, [pk]).get(pk)
    return found.name or found.worker or found.queue or pk if found else ""


def _marked(question: Question) -> Question:
    """Where something is wrong, whoever looks or listens is led to the first field of it."""
    wrong = [name for name in question.form.fields if name in question.errors]
    for name in wrong:
        question.form.fields[name].widget.attrs["aria-invalid"] = "true"
    if wrong:
        question.form.fields[wrong[0]].widget.attrs["autofocus"] = True
    return question


def _asked(question: Question, query: QueryDict) -> dict[str, Any]:
    asked: dict[str, Any] = {"action": question.verb.name, "options": dict(question.form.data)}
    named = [pk for name, pk in question.subject if name == "target"]
    if preview := query.get("preview"):
        # All of the form: what was taken out since the preview is not to come back from there.
        options = {name: query.get(name, "") for name in question.verb.options.base_fields}
        return asked | {"preview": _uuid(preview), "options": options}
    if named:
        return asked | {"targets": named}
    given = dict(question.subject)
    filter_ = given if "operation" in given else question.kind.of_address(given)
    return asked | ({"filter": filter_} if filter_ else {"all": True})


def _left_open(environment: Environment, question: Question, confirm: int | None) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if environment.reason_required and not question.reason:
        errors["reason"] = [gettext("Say why, for whoever reads it later. This environment asks for it.")]
    if question.to_type is not None and confirm != question.to_type:
        errors["confirm"] = [_to_type(question)]
    return errors


def _to_type(question: Question) -> str:
    told = {"number": question.to_type, "noun": nouns.noun(question.kind.plural)}
    if question.verb.typed:
        return gettext("Type %(number)s: so many messages go.") % told
    return gettext("Type %(number)s: so many %(noun)s are meant.") % told


def _typed(text: str) -> int | None:
    return whole(text.replace(",", "").replace(" ", "").strip(), 18)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _is_of_options(problem: Problem) -> bool:
    return bool(problem.errors) and all(fault["pointer"].startswith("#/options/") for fault in problem.errors)


def _by_field(problem: Problem) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for fault in problem.errors or [Fault(pointer="", detail=problem.detail)]:
        pointer = fault["pointer"]
        own = pointer.startswith(("#/options/", "#/reason", "#/confirm"))
        found.setdefault(pointer.rpartition("/")[2] if own else "", []).append(fault["detail"])
    return found
