"""Merkle trees as in RFC 6962: the root of a list of leaves, and proofs about it that need neither the list nor trust.

Makers of proofs hand in `node(level, index)`, the hash of the full subtree over the leaves from index * 2**level on,
2**level of them; level 0 are the leaf hashes. Checkers need nothing but the proof, and answer False to whatever is not
one: they raise nothing on hostile input of the right types.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

Node = Callable[[int, int], bytes]

#: The root of the tree without leaves.
EMPTY = hashlib.sha256(b"").digest()
#: No proof about fewer than 2**63 leaves is longer.
MAX_PROOF = 128
_HASH = 32


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def root(hashes: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    edge: list[tuple[int, bytes]] = []
    for hashed in hashes:
        level = 0
        while edge and edge[-1][0] == level:
            hashed, level = node_hash(edge.pop()[1], hashed), level + 1
        edge.append((level, hashed))
    return _folded([hashed for _, hashed in edge])


def root_of(size: int, node: Node) -> bytes:
    """The root over the first `size` leaves, from their full subtrees."""
    return _folded([node(level, index) for level, index in _subtrees(0, size)])


def inclusion(index: int, size: int, node: Node) -> list[bytes]:
    """Proves that a leaf stands at `index` in the tree over the first `size` leaves."""
    if not 0 <= index < size:
        raise ValueError(f"There is no leaf {index} among {size}.")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_hash_of(middle, end, node))
            end = middle
        else:
            path.append(_hash_of(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency(old: int, new: int, node: Node) -> list[bytes]:
    """Proves that the tree over the first `new` leaves begins with the one over the first `old`."""
    if not 0 <= old <= new:
        raise ValueError(f"No tree over {new} leaves begins with one over {old}.")
    if old in (0, new):
        return []
    path: list[bytes] = []
    begin, end, whole = 0, new, True
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_hash_of(middle, end, node))
            end = middle
        else:
            path.append(_hash_of(begin, middle, node))
            begin, whole = middle, False
    if not whole:
        path.append(_hash_of(begin, end, node))
    return path[::-1]


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that the leaf hash stands at `index` in the tree of this size and root."""
    if not 0 <= index < size or not _is_path(path):
        return False
    at, last, hashed, rest = index, size - 1, leaf, iter(path)
    while last:
        if at % 2 or at < last:
            part = next(rest, None)
            if part is None:
                return False
            hashed = node_hash(part, hashed) if at % 2 else node_hash(hashed, part)
        at, last = at // 2, last // 2
    return next(rest, None) is None and hashed == root


def is_consistent(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` proves that the tree of the new size and root begins with the old one."""
    if not 0 <= old_size <= new_size or not _is_path(path):
        return False
    if old_size == 0:
        return not path and old_root == EMPTY and (new_size > 0 or new_root == EMPTY)
    if old_size == new_size:
        return not path and old_root == new_root
    at, last = old_size - 1, new_size - 1
    while at % 2:
        at, last = at // 2, last // 2
    rest = iter(path)
    first = next(rest, None) if at else old_root
    if first is None:
        return False
    old, new = first, first
    while last:
        if at % 2 or at < last:
            part = next(rest, None)
            if part is None:
                return False
            if at % 2:
                old, new = node_hash(part, old), node_hash(part, new)
            else:
                new = node_hash(new, part)
        at, last = at // 2, last // 2
    return next(rest, None) is None and old == old_root and new == new_root


def _split(count: int) -> int:
    """The largest power of two below `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _subtrees(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The full subtrees over the leaves from `begin`, where one of that size may begin, to `end`: large ones first."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        yield level, begin >> level
        begin += 1 << level


def _hash_of(begin: int, end: int, node: Node) -> bytes:
    return _folded([node(level, index) for level, index in _subtrees(begin, end)])


def _folded(hashes: Sequence[bytes]) -> bytes:
    """The hash over subtrees that stand side by side, large ones first."""
    if not hashes:
        return EMPTY
    folded = hashes[-1]
    for hashed in hashes[-2::-1]:
        folded = node_hash(hashed, folded)
    return folded


def _is_path(path: Sequence[bytes]) -> bool:
    return len(path) <= MAX_PROOF and all(len(part) == _HASH for part in path)
