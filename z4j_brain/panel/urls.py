"""The addresses of the panel, and of its websocket."""

from __future__ import annotations

from typing import Any

from django.urls import include, path, re_path

from z4j_brain.agents import pages as agents
from z4j_brain.agents import secrets_pages as secrets
from z4j_brain.alerts import channels_pages as channels
from z4j_brain.alerts import pages as alerts
from z4j_brain.alerts import windows_pages as windows
from z4j_brain.audit import outlets, taking_out
from z4j_brain.audit import pages as audit
from z4j_brain.fleet import pages as fleet
from z4j_brain.issues import pages as issues
from z4j_brain.notifications import pages as notifications
from z4j_brain.operations import approvals_pages as approvals
from z4j_brain.operations import pages as operations
from z4j_brain.panel import connecting, deadletters, overview, pages
from z4j_brain.panel.consumers import Live, Nowhere
from z4j_brain.panel.shared import shared
from z4j_brain.panel.signin import SignInView, SignOutView
from z4j_brain.rbac import guarding_pages as guarding
from z4j_brain.rbac import invited_pages as invited
from z4j_brain.rbac import members_pages as members
from z4j_brain.rbac import pages as rbac
from z4j_brain.schedules import editor, import_pages
from z4j_brain.schedules import pages as schedules
from z4j_brain.stats import pages as stats
from z4j_brain.tasks import compare_pages as compare
from z4j_brain.tasks import pages as tasks
from z4j_brain.tasks import saved_pages as saved

inside = [
    path("", shared(overview.shown), name="overview"),
    path("statistics/", shared(stats.shown), name="statistics"),
    path("tasks/", shared(tasks.listed, saved.chosen, saved.taste), name="tasks"),
    path("tasks/export/", tasks.export, name="task-export"),
    path("tasks/words/", tasks.words, name="task-words"),
    path("tasks/views/", saved.views, name="task-views"),
    path("tasks/views/<int:id>/<str:verb>/", saved.steer, name="task-view-steer"),
    path("tasks/columns/", saved.arrange, name="task-columns"),
    path("tasks/run/", fleet.registered, name="registered"),
    path("tasks/<int:id>/", tasks.shown, name="task"),
    path("tasks/<int:id>/compare/", compare.shown, name="task-compare"),
    path("tasks/<int:id>/show/", tasks.show, name="task-show"),
    path("tasks/<int:id>/hide/", tasks.hide, name="task-hide"),
    path("issues/", shared(issues.listed, issues.chosen), name="issues"),
    path("issues/<slug:id>/", issues.shown, name="issue"),
    path("issues/<slug:id>/<str:verb>/", issues.say, name="issue-say"),
    path("operations/", shared(operations.listed), name="operations"),
    path("operations/new/<str:action>/", operations.ask, name="ask"),
    path("operations/<uuid:id>/", operations.shown, name="operation"),
    path("operations/<uuid:id>/outcomes.csv", operations.export, name="operation-export"),
    path("operations/<uuid:id>/<str:verb>/", operations.steer, name="operation-steer"),
    path("approvals/", approvals.listed, name="approvals"),
    path("approvals/<uuid:id>/", approvals.shown, name="approval"),
    path("approvals/<uuid:id>/<str:verb>/", approvals.answer, name="approval-answer"),
    path("queues/", shared(fleet.queues), name="queues"),
    path("queues/<int:id>/", fleet.queue, name="queue"),
    path("workers/", shared(fleet.workers), name="workers"),
    path("workers/<int:id>/", fleet.worker, name="worker"),
    path("dead-letters/", shared(deadletters.shown), name="dead-letters"),
    path("schedules/", shared(schedules.listed), name="schedules"),
    path("schedules/next/", shared(schedules.ahead), name="schedule-timeline"),
    path("schedules/new/", editor.new, name="schedule-new"),
    path("schedules/import/", import_pages.imported, name="schedule-import"),
    path("schedules/words/", editor.words, name="schedule-words"),
    path("schedules/<int:id>/", schedules.shown, name="schedule"),
    path("schedules/<int:id>/edit/", editor.edit, name="schedule-edit"),
    path("schedules/<int:id>/show/", schedules.show, name="schedule-show"),
    path("schedules/<int:id>/hide/", schedules.hide, name="schedule-hide"),
    path("alerts/", shared(alerts.listed), name="alerts"),
    path("alerts/new/", alerts.new, name="alert-new"),
    path("alerts/history/", alerts.history, name="alert-history"),
    path("alerts/channels/", channels.shown, name="alert-channels"),
    path("alerts/channels/<int:id>/", channels.edit, name="alert-channel"),
    path("alerts/channels/<int:id>/rotate/", channels.rotate, name="alert-channel-rotate"),
    path("alerts/channels/<int:id>/<str:verb>/", channels.steer, name="alert-channel-steer"),
    path("alerts/deliveries/<int:id>/resend/", channels.resend, name="alert-resend"),
    path("alerts/maintenance/", windows.listed, name="alert-windows"),
    path("alerts/maintenance/new/", windows.new, name="alert-window-new"),
    path("alerts/maintenance/<int:id>/", windows.edit, name="alert-window"),
    path("alerts/maintenance/<int:id>/remove/", windows.remove, name="alert-window-remove"),
    path("alerts/rules/<int:id>/", alerts.edit, name="alert-rule"),
    path("alerts/rules/<int:id>/<str:verb>/", alerts.steer, name="alert-rule-steer"),
    path("agents/", agents.listed, name="agents"),
    path("agents/keys/<uuid:id>/revoke/", agents.revoke, name="key-revoke"),
    path("secrets/", secrets.shown, name="secrets"),
    path("secrets/try/", secrets.attempt, name="secrets-try"),
    path("secrets/rule/", secrets.rule, name="secret-rule"),
    path("secrets/rule/<slug:id>/remove/", secrets.remove_rule, name="secret-rule-remove"),
    path("connect/", connecting.shown, name="connect"),
    path("capabilities/", pages.capabilities, name="capabilities"),
    path("doctor/", pages.doctor, name="doctor"),
    path("components/", pages.components, name="components"),
    path("audit/", audit.listed, name="audit"),
    path("audit/<uuid:id>/", audit.shown, name="entry"),
    path("audit/export/", taking_out.taken, name="audit-export"),
    path("settings/", rbac.settings, name="settings"),
    path("settings/approvals/", guarding.shown, name="guards"),
    path("settings/approvals/freezes/", guarding.freeze, name="freeze-set"),
    path("settings/approvals/freezes/<uuid:id>/", guarding.end, name="freeze-end"),
    path("members/", members.shown, name="members"),
    path("members/<str:verb>/", members.change, name="members-change"),
    path("notifications/", notifications.listed, name="notifications"),
    path("notifications/tray/", notifications.tray, name="tray"),
    path("jump/", pages.jump, name="jump"),
]

urlpatterns = [
    path("", pages.home, name="home"),
    path("sign-in/", SignInView.as_view(), name="account_login"),
    path("sign-out/", SignOutView.as_view(), name="account_logout"),
    path("", include("z4j_brain.panel.accounturls")),
    path("source.tar.gz", pages.source, name="source"),
    path("set-up/<str:link>/", pages.set_up, name="set-up"),
    path("invitations/<str:link>/", invited.invitation, name="invitation"),
    path("account/tokens/", invited.tokens, name="own-tokens"),
    path("audit/", audit.everywhere, name="log"),
    path("audit/<uuid:id>/", audit.one, name="log-entry"),
    path("audit/checkpoint.txt", audit.checkpoint, name="log-checkpoint"),
    path("audit/key.txt", audit.key, name="log-key"),
    path("audit/outlets/", outlets.shown, name="outlets"),
    path("audit/outlets/anchors/<int:id>/remove/", outlets.remove_anchor, name="anchor-remove"),
    path("audit/outlets/streams/<int:id>/<str:verb>/", outlets.steer, name="stream-steer"),
    path("<slug:project>/<slug:environment>/", include(inside)),
]

websocket_urlpatterns: list[Any] = [path("ws/", Live.as_asgi()), re_path("", Nowhere.as_asgi())]
