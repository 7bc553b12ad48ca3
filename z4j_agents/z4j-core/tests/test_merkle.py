"""Trees and proofs are those of RFC 6962, and nothing that is not a proof passes for one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from z4j_core import merkle

#: The leaves and roots by which implementations of RFC 6962 are compared.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
KNOWN_PROOFS = {
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
MOST = 70
PAIRS = [(new, old) for new in range(MOST + 1) for old in range(new + 1)]
HASHES = [merkle.leaf_hash(bytes([number])) for number in range(MOST)]


def node(hashes):
    return lambda level, index: merkle.root(hashes[index << level : (index + 1) << level])


def hexed(hashes):
    return [hashed.hex() for hashed in hashes]


def known():
    return [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]


def test_roots_are_the_known_ones():
    assert [merkle.root(known()[:size]).hex() for size in range(9)] == ROOTS
    assert [merkle.root_of(size, node(known())).hex() for size in range(9)] == ROOTS


@pytest.mark.parametrize(("old", "new"), KNOWN_PROOFS)
def test_consistency_proofs_are_the_known_ones(old, new):
    assert hexed(merkle.consistency(old, new, node(known()))) == KNOWN_PROOFS[old, new]


def test_an_inclusion_proof_is_the_known_one():
    assert hexed(merkle.inclusion(5, 8, node(known()))) == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        KNOWN_PROOFS[6, 8][1],
        KNOWN_PROOFS[6, 8][2],
    ]


def test_every_leaf_of_every_tree_is_proven_and_no_other_place_or_leaf_is():
    for size in range(1, MOST + 1):
        root = merkle.root(HASHES[:size])
        for index in range(size):
            path = merkle.inclusion(index, size, node(HASHES))
            assert merkle.is_included(HASHES[index], index, size, path, root)
            assert not merkle.is_included(HASHES[(index + 1) % MOST], index, size, path, root)
            assert not merkle.is_included(HASHES[index], index, size, path, HASHES[0] if size > 1 else merkle.EMPTY)
            assert not merkle.is_included(HASHES[index], index, size, [*path, root], root)
            assert not path or not merkle.is_included(HASHES[index], index, size, path[:-1], root)
            for other in {index - 1, index + 1, index ^ 1, size} - {index}:
                assert not merkle.is_included(HASHES[index], other, size, path, root)


def test_every_tree_begins_with_every_earlier_one_and_with_no_other():
    roots = [merkle.root(HASHES[:size]) for size in range(MOST + 1)]
    for new, old in PAIRS:
        path = merkle.consistency(old, new, node(HASHES))
        assert merkle.is_consistent(old, roots[old], new, roots[new], path)
        assert not merkle.is_consistent(old, HASHES[7], new, roots[new], path)
        assert not merkle.is_consistent(old, roots[old], new, roots[new], [*path, HASHES[0]])
        if 0 < old < new:
            assert not merkle.is_consistent(old, roots[old], new, HASHES[7], path)
            assert not merkle.is_consistent(old, roots[old], new, roots[new], path[:-1])
            assert not merkle.is_consistent(old - 1, roots[old], new, roots[new], path)
            assert not merkle.is_consistent(new, roots[new], old, roots[old], path)


@given(data=st.data())
def test_a_proof_with_one_bit_changed_proves_nothing(data):
    new = data.draw(st.integers(2, MOST))
    old, index = data.draw(st.integers(1, new - 1)), data.draw(st.integers(0, new - 1))
    newer, older = merkle.root(HASHES[:new]), merkle.root(HASHES[:old])
    included, consistent = merkle.inclusion(index, new, node(HASHES)), merkle.consistency(old, new, node(HASHES))
    assert not merkle.is_included(HASHES[index], index, new, flipped(data, included), newer)
    assert not merkle.is_consistent(old, older, new, newer, flipped(data, consistent))


@given(
    st.binary(max_size=31),
    st.integers(-5, 2**70),
    st.integers(-5, 2**70),
    st.lists(st.binary(max_size=40), max_size=200),
)
def test_what_is_no_proof_is_answered_and_never_raises(leaf, first, second, path):
    assert not merkle.is_included(leaf, first, second, path, bytes(32))
    assert not merkle.is_consistent(first, leaf, second, bytes(32), path)


@given(st.lists(st.binary(max_size=3), max_size=300))
def test_a_root_from_subtrees_is_the_root_from_leaves(leaves):
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    assert merkle.root_of(len(hashes), node(hashes)) == merkle.root(hashes)


@pytest.mark.parametrize("numbers", [(9, 8), (-1, 8)])
@pytest.mark.parametrize("make", [merkle.inclusion, merkle.consistency])
def test_there_is_no_proof_of_what_cannot_be(make, numbers):
    with pytest.raises(ValueError):
        make(*numbers, node(HASHES))


def flipped(data, path):
    changed = data.draw(st.integers(0, len(path) - 1))
    bit = data.draw(st.integers(0, 255))
    number = int.from_bytes(path[changed], "big") ^ (1 << bit)
    return [*path[:changed], number.to_bytes(32, "big"), *path[changed + 1 :]]


def test_the_hash_of_an_empty_leaf_is_not_that_of_an_empty_tree():
    assert base64.b64encode(merkle.EMPTY).startswith(b"47DEQpj8HBSa") and merkle.leaf_hash(b"") != merkle.EMPTY
