"""A traceback taken apart."""

from __future__ import annotations

from z4j_brain.tasks import trace

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/first.py", line 3, in before
    raise KeyError("first")
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/.venv/lib/python3.12/site-packages/engine/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
                 ^^^^^^^^^^^^^^^^^^^^
  File "/srv/.venv/lib/python3.12/site-packages/engine/app/trace.py", line 736, in __protected_call__
    return self.run(*args, **kwargs)
  File "/srv/shop/notifications/tasks.py", line 88, in send_receipt
    connection.send_messages([message])
  File "/usr/lib/python3.12/smtplib.py", line 398, in getreply
    raise SMTPServerDisconnected("timed out")
smtplib.SMTPServerDisconnected: timed out
"""


def test_own_frames_stand_between_folded_ones_of_libraries():
    groups = trace.groups(TRACEBACK)
    assert [(group.is_library, len(group.frames)) for group in groups] == [(True, 2), (False, 1), (True, 1)]
    assert [group.packages for group in groups if group.is_library] == ["engine", "smtplib"]


def test_a_frame_tells_where_it_is_and_what_it_says():
    _, own, library = trace.groups(TRACEBACK)
    frame = own.frames[0]
    assert (frame.where, frame.function) == ("shop/notifications/tasks.py:88", "send_receipt")
    assert frame.code == "connection.send_messages([message])"
    assert library.frames[0].where == "smtplib.py:398"


def test_text_that_is_no_traceback_has_no_frames():
    assert trace.groups("the worker was killed") == []
