"""Arguments are judged as Python itself would judge the call."""

from __future__ import annotations

import inspect
from inspect import Parameter

from hypothesis import given
from hypothesis import strategies as st

from z4j_brain.lib import signature

NAMES = ["a", "b", "c", "d", "e"]
KINDS = {
    "p": Parameter.POSITIONAL_ONLY,
    "e": Parameter.POSITIONAL_OR_KEYWORD,
    "a": Parameter.VAR_POSITIONAL,
    "k": Parameter.KEYWORD_ONLY,
    "w": Parameter.VAR_KEYWORD,
}


@st.composite
def params(draw):
    """Any signature that Python allows: kinds in their order, no default before one without."""
    kinds = sorted(draw(st.lists(st.sampled_from("peekk"), max_size=4)), key="peakw".index)
    if draw(st.booleans()):
        kinds = sorted([*kinds, "a"], key="peakw".index)
    if draw(st.booleans()):
        kinds.append("w")
    found, optional = [], False
    for kind, name in zip(kinds, draw(st.permutations([*NAMES, "f", "g"])), strict=False):
        has_default = draw(st.booleans())
        if kind in "pe":
            optional = has_default = optional or has_default
        found.append((name, kind, kind in "pek" and not has_default))
    return found


def written(params):
    """The function itself: `Signature.bind` of Python 3.11 refuses a call that Python allows."""
    namespace = {}
    exec(f"def f{signature.text(params).replace('…', 'None')}: pass", namespace)  # noqa: S102
    return namespace["f"]


@given(params(), st.lists(st.integers(), max_size=5), st.dictionaries(st.sampled_from([*NAMES, "z"]), st.none()))
def test_a_call_that_python_would_refuse_is_a_misfit_and_no_other(params, args, kwargs):
    try:
        written(params)(*args, **kwargs)
        fits = True
    except TypeError:
        fits = False

    why = signature.misfit([list(param) for param in params], args, kwargs)

    assert (not why) is fits, (signature.text(params), why)


@given(params())
def test_a_signature_is_written_as_python_would_write_it(params):
    told = inspect.signature(written(params)).parameters.values()

    assert [(one.name, one.kind) for one in told] == [(name, KINDS[kind]) for name, kind, _ in params]
