"""The button that takes the trail of an environment out, with its proofs."""

from __future__ import annotations

import tempfile

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest
from django.views.decorators.http import require_POST

from z4j_brain.audit import export
from z4j_brain.lib import why
from z4j_brain.rbac import queries as rbac
from z4j_brain.rbac.actor import Actor
from z4j_brain.rbac.states import Permission


@require_POST
@login_required
def taken(request: HttpRequest, project: str, environment: str) -> FileResponse:
    """The whole trail as one file. What is personal is in it where somebody chose so."""
    actor = Actor.of(request)
    place = rbac.environment(actor, project, environment, Permission.EXPORT_AUDIT)
    wanted = export.Wanted.of(place, personal=bool(request.POST.get("personal")))
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    export.take_out(place, wanted, file, actor=actor, reason=why.of(request.POST))
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"audit-{project}-{environment}.zip")
