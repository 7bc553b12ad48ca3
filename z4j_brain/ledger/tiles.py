"""The tree of a generation as tiles of 256 hashes: read where a proof needs it, and grown at its right edge."""

from __future__ import annotations

from collections.abc import Sequence

from z4j_core import merkle

from z4j_brain.ledger.models import Tile

WIDTH = 256
#: A tile's level spans this many levels of the tree.
SPAN = 8
HASH = 32

Place = tuple[int, int]


class Tree:
    """The tree of one generation. Of what was read, nothing is read twice."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self._tiles: dict[Place, bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """The hash of a full subtree, as `z4j_core.merkle` asks for it."""
        within = level % SPAN
        n, offset = divmod(index << within, WIDTH)
        found = self._tile((level // SPAN, n))[offset * HASH : (offset + (1 << within)) * HASH]
        if len(found) != HASH << within:
            raise LookupError(f"The log of generation {self.generation} has no node {index} on level {level}.")
        return merkle.root(found[at : at + HASH] for at in range(0, len(found), HASH))

    def root(self, size: int) -> bytes:
        return merkle.root_of(size, self.node)

    def _tile(self, place: Place) -> bytes:
        if place not in self._tiles:
            level, n = place
            row = Tile.objects.filter(generation=self.generation, level=level, n=n).values_list("hashes", flat=True)
            self._tiles[place] = bytes(row.first() or b"")
        return self._tiles[place]


class GrowingTree(Tree):
    """A tree with its right edge in memory, which leaves are added to."""

    def __init__(self, generation: int, size: int) -> None:
        super().__init__(generation)
        self.size = size
        #: Tiles that have changed, and how many bytes of each are stored.
        self.changed: dict[Place, int] = {}

    def extend(self, hashes: Sequence[bytes]) -> None:
        self._grow(0, self.size, hashes)
        self.size += len(hashes)

    def content(self, place: Place) -> bytes:
        return self._tile(place)

    def _grow(self, level: int, width: int, hashes: Sequence[bytes]) -> None:
        """Put hashes behind the `width` that a level of tiles has; the roots of tiles that fill up go one above."""
        full: list[bytes] = []
        first, at = width // WIDTH, 0
        while at < len(hashes):
            n, taken = divmod(width + at, WIDTH)
            # What lies behind the edge was never signed: a tile that has more is not what the log says.
            old = self._tile((level, n)) if taken else b""
            if len(old) != taken * HASH:
                raise LookupError(f"The tile {n} on level {level} has {len(old) // HASH} hashes, not {taken}.")
            part = hashes[at : at + WIDTH - taken]
            self._tiles[level, n] = old + b"".join(part)
            self.changed[level, n] = len(old)
            if taken + len(part) == WIDTH:
                full.append(merkle.root(self._hashes(level, n)))
            at += len(part)
        if full:
            self._grow(level + 1, first, full)

    def _hashes(self, level: int, n: int) -> list[bytes]:
        tile = self._tiles[level, n]
        return [tile[at : at + HASH] for at in range(0, len(tile), HASH)]
