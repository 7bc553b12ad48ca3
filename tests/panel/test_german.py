"""A page in German says nothing in English, but for what people, programs and the log have said."""

from __future__ import annotations

import re

import pytest

from tests.panel.test_pages import INSIDE, POSTED, address, as_, task
from tests.spoken import Spoken

assert address and as_ and task  # the fixtures of every page

#: Words that no German sentence has.
ENGLISH = re.compile(
    r"\b(?:the|of|and|with|without|has|have|had|are|from|this|that|by|each|every|which|when|where|nothing|what|for|yet|"
    r"you|your|since|show|open|closed?|ago|failed|succeeded|started|waiting|cancel|nobody|changed|reason|it|its)\b(?!:)",
    re.IGNORECASE,
)
#: What the furnished places hold, and what is typed as it is.
DATA = re.compile(r"failed 25/min|failed, running, queued|state:failed")
#: Of these, the first is for who builds pages and in English; the second is a file.
ELSEWHERE = {"components", "task-export", "operation-export"}


class Said(Spoken):
    """What a page says in no other language than its own."""

    def is_silent(self, tag, told):
        is_code = "mono" in (told.get("class") or "").split()
        return super().is_silent(tag, told) or told.get("lang") == "en" or is_code


@pytest.mark.parametrize("page", [page for page in INSIDE if page not in {*POSTED, *ELSEWHERE}])
def test_a_page_in_german_says_nothing_in_english(page, address, as_):
    client = as_("olive")
    client.cookies["z4j-language"] = "de"
    answer = client.get(address(page), follow=True)
    assert answer.status_code == 200

    said = {" ".join(text.split()) for _, text in Said(answer.content.decode()).found}
    english = sorted(text[:110] for text in said if ENGLISH.search(DATA.sub("", text)))

    assert not english, "\n" + "\n".join(english)
