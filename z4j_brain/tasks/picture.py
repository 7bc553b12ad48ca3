"""The geometry of a workflow: boxes from left to right, lines between them, and a frame around each group.

What came first stands on top. A task stands in the middle of what came of it, and what a group ends in stands behind
the last of its members.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.utils.translation import gettext

from z4j_brain.lib.words import duration
from z4j_brain.tasks.models import Task
from z4j_brain.tasks.states import TaskState
from z4j_brain.tasks.workflow import Node, Siblings, Workflow

#: A box, the distances between boxes, and the room around the picture.
WIDTH, HEIGHT = 166, 46
_ACROSS, _DOWN, _AROUND = 30, 12, 8
#: How far a frame stands off its boxes, and the room for its label.
_OFF, _LABEL = 7, 16
#: Letters of a name that go into a box.
LETTERS: Final = 18


@dataclass(frozen=True, slots=True)
class Box:
    """A task, or what is folded away of a set, with the place of its top left corner."""

    x: int
    y: int
    node: Node | None = None
    rest: Siblings | None = None

    @property
    def name(self) -> str:
        name = (self.node.task.name.rsplit(".", 1)[-1] if self.node else "") or gettext("unnamed")
        return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"

    @property
    def state(self) -> TaskState:
        return TaskState(self.node.task.state) if self.node else TaskState.QUEUED

    @property
    def took(self) -> str:
        """How long it ran, or has waited."""
        return _took(self.node.task) if self.node else ""


@dataclass(frozen=True, slots=True)
class Line:
    path: str
    is_retry: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """Around the members of a group."""

    x: int
    y: int
    height: int
    label: str
    width: int = WIDTH + 2 * _OFF


@dataclass(frozen=True, slots=True)
class Picture:
    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    frames: tuple[Frame, ...]


@dataclass(slots=True)
class _Block:
    """Boxes with their places by column and pixel, as high as they are together. `own`: of the topmost tasks."""

    height: float = 0
    deepest: int = 0
    places: list[tuple[Node | Siblings, int, float]] = field(default_factory=list)
    frames: list[tuple[Siblings, int, float, float]] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def add(self, other: _Block, down: float) -> None:
        self.places += [(one, column, y + down) for one, column, y in other.places]
        self.frames += [(one, column, y + down, high) for one, column, y, high in other.frames]
        self.deepest = max(self.deepest, other.deepest)


def picture(flow: Workflow) -> Picture:
    block = _stacked([_set(one, 0) for one in flow.tops], _DOWN)
    shift = _AROUND + _OFF
    boxes = tuple(
        Box(shift + column * (WIDTH + _ACROSS), round(shift + y), *_told(one)) for one, column, y in block.places
    )
    frames = tuple(
        Frame(shift + column * (WIDTH + _ACROSS) - _OFF, round(shift + y), round(high), one.label)
        for one, column, y, high in block.frames
    )
    width = (block.deepest + 1) * (WIDTH + _ACROSS) - _ACROSS + 2 * shift
    return Picture(width, round(block.height + 2 * shift), boxes, tuple(_lines(flow, boxes)), frames)


def _told(one: Node | Siblings) -> tuple[Node | None, Siblings | None]:
    return (one, None) if isinstance(one, Node) else (None, one)


def _node(node: Node, column: int) -> _Block:
    below = _stacked([_set(one, column + 1) for one in node.sets], _DOWN)
    block = _Block(max(below.height, HEIGHT), column)
    block.add(below, (block.height - below.height) / 2)
    middle = (below.own[0] + below.own[-1]) / 2 + (block.height - below.height) / 2 if below.own else 0
    block.own = [middle if below.own else (block.height - HEIGHT) / 2]
    block.places.insert(0, (node, column, block.own[0]))
    return block


def _set(one: Siblings, column: int) -> _Block:
    """Its members one below the other, and in the middle behind them what they end in."""
    parts = [_node(node, column) for node in one.nodes]
    if one.folded:
        parts.append(_Block(HEIGHT, column, [(one, column, 0)], own=[0]))
    members = _stacked(parts, _DOWN)
    if one.label:
        members = _framed(one, members, column)
    if not one.ends:
        return members
    ends = _stacked([_node(end, members.deepest + 1) for end in one.ends], _DOWN)
    block = _Block(max(members.height, ends.height))
    down = (block.height - members.height) / 2
    block.add(members, down)
    block.own = [y + down for y in members.own]
    between = (members.own[0] + members.own[-1]) / 2 + down - (ends.own[0] + ends.own[-1]) / 2
    block.add(ends, min(max(between, 0), block.height - ends.height))
    return block


def _framed(one: Siblings, members: _Block, column: int) -> _Block:
    block = _Block(members.height + 2 * _OFF + _LABEL)
    down = _OFF + _LABEL
    block.add(members, down)
    block.own = [y + down for y in members.own]
    high = block.own[-1] - block.own[0] + HEIGHT + 2 * _OFF + _LABEL
    block.frames.append((one, column, block.own[0] - down, high))
    return block


def _stacked(parts: Sequence[_Block], between: int) -> _Block:
    whole = _Block()
    for part in parts:
        down = whole.height + between if whole.places else 0
        whole.add(part, down)
        whole.own += [y + down for y in part.own]
        whole.height = down + part.height
    return whole


def _lines(flow: Workflow, boxes: Sequence[Box]) -> Iterator[Line]:
    at = {id(box.node or box.rest): box for box in boxes}
    members: dict[str, list[Box]] = defaultdict(list)
    for box in boxes:
        if box.node and not box.node.is_retry:
            members[box.node.task.group_id].append(box)
        elif box.rest and box.rest.group:
            members[box.rest.group].append(box)

    def walk(sets: Sequence[Siblings], above: Box | None) -> Iterator[Line]:
        for one in sets:
            for node in one.nodes:
                if above:
                    yield Line(_path(above, at[id(node)]), node.is_retry)
                yield from walk(node.sets, at[id(node)])
            if one.folded and above:
                yield Line(_path(above, at[id(one)]), False)
            for end in one.ends:
                box = at[id(end)]
                for member in members[one.group]:
                    if member.x < box.x:
                        yield Line(_path(member, box), False)
                yield from walk(end.sets, box)

    return walk(flow.tops, None)


def _path(begin: Box, end: Box) -> str:
    """From the right side of one to the left side of the other, level at both ends."""
    x, y, to_x, to_y = begin.x + WIDTH, begin.y + HEIGHT // 2, end.x, end.y + HEIGHT // 2
    if y == to_y:
        return f"M{x} {y}H{to_x}"
    middle = to_x - _ACROSS // 2
    return f"M{x} {y}H{middle - 9}C{middle} {y} {middle} {to_y} {middle + 9} {to_y}H{to_x}"


def _took(task: Task) -> str:
    if task.ran is not None:
        return duration(task.ran)
    if task.is_final or task.waited is None:
        return ""
    return gettext("waiting %(span)s") % {"span": duration(task.waited)}
