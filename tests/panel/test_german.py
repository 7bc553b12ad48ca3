"""A page in German says nothing in English, but for what people, programs and the log have said."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.panel.test_pages import INSIDE, POSTED, address, as_, task

assert address and as_ and task  # the fixtures of every page

#: Words that no German sentence has.
ENGLISH = re.compile(
    r"\b(?:the|of|and|with|without|has|have|had|are|from|this|that|by|each|every|which|when|where|nothing|what|for|yet|"
    r"you|your|since|show|open|closed?|ago|failed|succeeded|started|waiting|cancel|nobody|changed|reason|it|its)\b(?!:)",
    re.IGNORECASE,
)
#: What the furnished places hold, and what is typed as it is.
DATA = re.compile(r"failed 25/min|failed, running, queued|state:failed")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SILENT = {"script", "style", "code", "kbd", "pre"}
SPOKEN = {"title", "aria-label", "placeholder", "alt"}
#: Of these, the first is for who builds pages and in English; the second is a file.
ELSEWHERE = {"components", "task-export", "operation-export"}


class Said(HTMLParser):
    """What a page says in no other language than its own."""

    def __init__(self, page):
        super().__init__()
        self.found, self.silent = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if not self.silent:
            self.found += [told[name] or "" for name in sorted(SPOKEN & told.keys())]
        quiet = tag in SILENT or told.get("translate") == "no" or told.get("lang") == "en"
        quiet = quiet or "mono" in (told.get("class") or "").split()
        if tag not in VOID and (self.silent or quiet):
            self.silent.append(tag)

    def handle_endtag(self, tag):
        if tag in self.silent:
            while self.silent.pop() != tag:
                pass

    def handle_data(self, data):
        if not self.silent:
            self.found.append(data)


@pytest.mark.parametrize("page", [page for page in INSIDE if page not in {*POSTED, *ELSEWHERE}])
def test_a_page_in_german_says_nothing_in_english(page, address, as_):
    client = as_("olive")
    client.cookies["z4j-language"] = "de"
    answer = client.get(address(page), follow=True)
    assert answer.status_code == 200

    said = {" ".join(text.split()) for text in Said(answer.content.decode()).found}
    english = sorted(text[:110] for text in said if ENGLISH.search(DATA.sub("", text)))

    assert not english, "\n" + "\n".join(english)
