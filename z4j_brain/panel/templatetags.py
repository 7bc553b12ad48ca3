"""The tags and filters of the panel: icons, states, times, and the way to a page of the environment on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import uuid4

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from z4j_brain.agents import queries as agents
from z4j_brain.agents.states import Presence
from z4j_brain.audit import queries as audit
from z4j_brain.audit.queries import Touch
from z4j_brain.fleet.crews import Hand
from z4j_brain.fleet.models import Queue
from z4j_brain.issues import queries as issues
from z4j_brain.ledger import health
from z4j_brain.ledger.health import LogHealth
from z4j_brain.lib import disk, words
from z4j_brain.lib.tongue import inline
from z4j_brain.lib.words import DAY, HOUR, MINUTE
from z4j_brain.operations import inbox, menu, verbs
from z4j_brain.operations.models import Item, Operation
from z4j_brain.operations.states import ItemOutcome, ItemProgress, OperationState
from z4j_brain.operations.verbs import Verb
from z4j_brain.panel import finding
from z4j_brain.rbac import approvals, freezes
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.models import Approval
from z4j_brain.rbac.states import ApprovalState, Permission
from z4j_brain.schedules.states import RunState
from z4j_brain.stats import figures
from z4j_brain.stats import queries as stats
from z4j_brain.stats.filters import listed
from z4j_brain.tasks import marks
from z4j_brain.tasks.held import held
from z4j_brain.tasks.states import TaskState
from z4j_brain.tasks.timeline import Attempt, Station

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

register = template.Library()

for spoken in (words.duration, words.level, words.number, words.percent, words.uncapped, inline):
    register.filter(spoken.__name__, spoken)
for drawn in (figures.filled, menu.lines):
    register.filter(drawn.__name__, drawn)
#: Width of a slot with its gap, and how many are drawn.
SLOT, MAX_SLOTS = 15, 24
#: Entries of the audit log beside what they are about.
TOUCHES = 10
#: Freezes and alarms that stand above a page.
GUARDS = 3


@register.filter
def get(found: Mapping[str, Any], key: str) -> Any:
    """What stands under a key that a template cannot write."""
    return found.get(key)


@register.simple_tag
def one_time_key() -> str:
    """For a form that must not count twice when it is sent twice."""
    return uuid4().hex


@register.simple_tag
@lru_cache(maxsize=1024)
def icon(name: str, extra: str = "") -> SafeString:
    """A symbol of static/vendor/lucide/icons.svg; `extra` holds more classes."""
    return format_html('<svg class="{}" {}', f"i {extra}".strip(), _symbol(name))


def _symbol(name: str) -> SafeString:
    """The rest of an icon, behind its class."""
    return format_html('aria-hidden="true"><use href="{}#{}"/></svg>', static("vendor/lucide/icons.svg"), name)


@register.simple_tag
def state(value: str, extra: str = "") -> SafeString:
    """A state of a task: icon, word and hue, always together."""
    return _state(value, extra, get_language())


@lru_cache(maxsize=256)
def _state(value: str, extra: str, language: str | None) -> SafeString:
    task_state = TaskState(value)
    return _marked(task_state.value, task_state.icon, task_state.label, extra)


@register.simple_tag
def mark(value: Any, extra: str = "") -> SafeString:
    """Any other state that has a label, an icon and the hue of a task state: an agent's, a worker's."""
    return _marked(value.hue, value.icon, value.label, extra)


@register.simple_tag
def operation_state(operation: Operation, extra: str = "") -> SafeString:
    return mark(OperationState(operation.state), extra)


@register.simple_tag
def outcome(item: Item, extra: str = "") -> SafeString:
    """What became of one target; before that, how far it has come."""
    return mark(ItemOutcome(item.outcome) if item.outcome else ItemProgress(item.progress), extra)


@register.simple_tag
def approval_state(approval: Approval, extra: str = "") -> SafeString:
    return mark(ApprovalState(approval.state), extra)


@register.simple_tag
def run_state(schedule: Any) -> SafeString:
    """What became of the last run of a schedule in trouble, see `schedules.view.troubled`."""
    if schedule.last_overlapped and schedule.last_state == RunState.OK:
        return _marked("retrying", "layers", gettext("Overlapped"), "bare")
    return mark(RunState(schedule.last_state), "bare")


@register.filter
def marked(text: str, where: StrOrPromise = marks.WORKER) -> SafeString:
    """A text that redaction has been over: each mark of it is a chip that says what hid it, and where."""
    return format_html_join("", "{}", ((_chip(part, where),) for part in marks.split(text)))


def _chip(part: str | marks.Mark, where: StrOrPromise) -> SafeString:
    if isinstance(part, str):
        return conditional_escape(part)
    title = gettext("Hidden %(where)s: %(rule)s. Nobody can show it.") % {"where": where, "rule": part.rule}
    return format_html('<span class="badge masked" title="{}">{}{}</span>', title, icon("lock"), part.label)


@register.simple_tag(takes_context=True)
def guards(context: template.Context) -> dict[str, Any]:
    """What everybody here has to know first: that the environment is frozen, and who went ahead alone."""
    environment = context["environment"]
    return {"freezes": freezes.on(environment)[:GUARDS], "alarms": approvals.alarms(environment)[:GUARDS]}


@register.simple_tag(takes_context=True)
def approvals_due(context: template.Context) -> int:
    """How many requests wait for the reader's answer."""
    return len(inbox.waiting(Actor.of(context["request"]), context["environment"]))


@register.simple_tag(takes_context=True)
def issues_open(context: template.Context) -> str:
    """How many issues are open; nothing where there is none, or the reader sees none."""
    found = issues.open_count(Actor.of(context["request"]), context["environment"])
    return f"{issues.MANY}+" if found > issues.MANY else str(found or "")


@register.simple_tag(takes_context=True)
def failures_alike(context: template.Context, fingerprint: str) -> int | None:
    """How many tasks failed in a day as the one on the screen did, as its issue tells it; None where none is seen."""
    here = issues.issues(Actor.of(context["request"]), context["environment"])
    found = here.filter(fingerprint=fingerprint).first() if fingerprint else None
    return issues.trends([found], timezone.now())[found.pk].total if found else None


@register.simple_tag
def asked_verb(operation: Operation) -> Verb | None:
    """What was asked for, with its words; None for what this release does not know."""
    return verbs.find(operation.action)


@register.simple_tag
def when(moment: datetime | None, form: str = "ago") -> str:
    """A moment: relative ("ago", "age") or absolute ("clock"), with the full time in the title.

    An age stands in many rows: `times.js` gives it its title.
    """
    if not moment:  # a template's word for what is not there is an empty text
        return ""
    local = timezone.localtime(moment)
    if form == "age":
        stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return format_html('<time datetime="{}" data-age>{}</time>', stamp, _moment(moment, form))
    shown = format_html('datetime="{}" title="{}"', local.isoformat(), f"{local:%Y-%m-%d %H:%M:%S.%f %Z}")
    since = "" if form == "clock" else format_html(' data-since="{}"', form)
    return format_html("<time {}{}>{}</time>", shown, since, _moment(moment, form))


@register.inclusion_tag("components/slots.html")
def slots(hand: Hand) -> dict[str, object]:
    """A square for each task a worker can run at once, what runs longest first."""
    worker, runs = hand.worker, hand.runs
    drawn, slow = min(worker.size, MAX_SLOTS), sum(run.is_slow for run in runs)
    if worker.state == Presence.OFFLINE:
        return {}
    answers = worker.state == Presence.ONLINE
    busy = ["slow" if run.is_slow else "busy" for run in runs] if answers else []
    kinds = [*busy, *["idle" if answers else "gone"] * worker.size][:drawn]
    return {
        "name": worker.name,
        "busy": len(busy),
        "size": worker.size,
        "slow": slow if answers else 0,
        "width": max(drawn * SLOT - 3, 0),
        "boxes": [(kind, at * SLOT) for at, kind in enumerate(kinds)],
        "more": worker.size - drawn,
    }


@register.inclusion_tag("stats/_bars.html", takes_context=True)
def histogram(context: template.Context) -> dict[str, object]:
    """What of the list on the screen ended when, where statistics can tell. A bar and a drag narrow the list, which
    keeps in mind from which range.
    """
    environment, view = context["environment"], context["view"]
    asked = listed(view.parameters, timezone.now())
    if asked is None:
        return {}
    bars = figures.bars(stats.series(environment.pk, asked.span, **asked.tasks, timed=False))
    if not bars.total.ended:
        return {}
    address = f"?{urlencode({key: value for key, value in view.parameters.items() if key not in view.span.limits})}"
    told = urlencode({name: value for name, value in asked.tasks.items() if value} | view.span.named)
    return {"bars": bars, "open": address, "zoom": address, "slim": True, "told": told, "environment": environment}


@register.inclusion_tag("fleet/_held.html", takes_context=True)
def holds(context: template.Context, queue: Queue) -> dict[str, object]:
    """What the queue on the screen holds, by task name."""
    environment = context["environment"]
    return {
        "held": held(environment.pk, queue.engine, queue.name),
        "counted": queue.depth + (queue.delayed or 0),
        "queue": queue,
        "environment": environment,
    }


@register.inclusion_tag("components/tip.html")
def tip(name: str, text: str, place: str = "") -> dict[str, object]:
    return {"id": f"tip-{name}", "text": text, "place": place}


@register.simple_tag(takes_context=True)
def to(context: template.Context, page: str, **names: Any) -> str:
    """The address of a page of the environment that the page at hand shows."""
    environment = context["environment"]
    return reverse(page, kwargs={"project": environment.project.slug, "environment": environment.slug, **names})


@register.simple_tag(takes_context=True)
def roles(context: template.Context) -> str:
    """The reader's roles in the environment on the screen."""
    return inline(", ".join(rbac.roles(Actor.of(context["request"]), context["environment"])))


@register.simple_tag(takes_context=True)
def deeds(context: template.Context) -> list[finding.Deed]:
    """What the reader may do here, for the palette."""
    return finding.deeds(Actor.of(context["request"]), context["environment"])


@register.simple_tag(takes_context=True)
def low_disk(context: template.Context) -> disk.Space | None:
    """How much room is left, when that is little and the reader is one who can do something about it."""
    room = disk.space()
    if room is None or not room.is_low:
        return None
    actor = Actor.of(context["request"])
    return room if rbac.may(actor, Permission.MANAGE_PROJECT, context["environment"]) else None


@register.inclusion_tag("audit/_touches.html", takes_context=True)
def who_touched(
    context: template.Context,
    *kinds: str,
    id: Any = None,
    found: list[Touch] | None = None,
    nobody: StrOrPromise = "",
) -> dict[str, Any]:
    """Who touched this one, or anything of these kinds: entries of the audit log, each with a way to it."""
    environment = context["environment"]
    if found is None and id is not None:
        found = audit.touched(environment, kinds[0], [str(id)], TOUCHES)
    touches = audit.touched_kinds(environment, kinds, TOUCHES) if found is None else found
    opens = audit.openable(Actor.of(context["request"]), environment, touches)
    rows = [(touch, touch.id in opens) for touch in touches]
    return {"rows": rows, "environment": environment, "nobody": nobody or gettext("Nobody yet.")}


@register.simple_tag
def witnesses() -> int:
    return agents.witnesses()


@register.simple_tag(takes_context=True)
def log_alarm(context: template.Context) -> LogHealth | None:
    """How the log is, when it is not the one that was signed and the reader is one who can do something about it."""
    if health.may_dispatch():
        return None
    actor = Actor.of(context["request"])
    return health.health() if audit.watches(actor) else None


@register.filter
def share(part: int, whole: int) -> str:
    """`part` of `whole` as a percentage for a width of an SVG shape."""
    return f"{100 * part / whole:.2f}%" if whole else "0%"


@register.filter
def short(identity: object) -> str:
    """The first characters of an id, as lists show it."""
    text = str(identity)
    return text[:8] if len(text) > 12 else text


@register.filter
def tail(identity: object) -> str:
    """The last characters of an id that begins with its time."""
    return str(identity)[-8:]


@register.filter
def longest(attempt: Attempt) -> Station:
    """The station that took most of an attempt: its line is drawn longer."""
    return max(attempt.stations, key=lambda station: station.span or timedelta())


@register.filter
def last_name(dotted: str) -> str:
    return dotted.rsplit(".", 1)[-1]


@register.filter
def sum_values(counts: dict[str, int]) -> int:
    return sum(count for count in counts.values() if isinstance(count, int))


@register.filter
def initials(name: str) -> str:
    words = [word for word in name.replace("_", ".").replace("-", ".").split(".") if word]
    return "".join(word[0] for word in words[:2]).upper() or "?"


def _marked(hue: str, symbol: str, label: StrOrPromise, extra: str) -> SafeString:
    """Its icon needs no class of its own: there are many on a page."""
    classes = f"state {hue} {extra}".rstrip()
    return format_html('<span class="{}"><svg {}{}</span>', classes, _symbol(symbol), label)


def _moment(moment: datetime, form: str) -> str:
    if form == "clock":
        return _clock(moment)
    seconds = int((timezone.now() - moment).total_seconds())
    text = _span(abs(seconds))
    if form == "age":
        return text
    said = gettext("in %(time)s") if seconds < 0 else gettext("%(time)s ago")
    return said % {"time": text}


def _clock(moment: datetime) -> str:
    local = timezone.localtime(moment)
    today = timezone.localtime().date()
    return f"{local:%H:%M:%S}" if local.date() == today else words.day(local, "d M H:i:s")


def _span(seconds: int) -> str:
    """One unit, as a list shows an age. `times.js` counts on with the same words."""
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    return f"{seconds // HOUR} h" if seconds < DAY else f"{seconds // DAY} d"
