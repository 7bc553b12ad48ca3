"""The addresses of signing in and of a person's own account. Of allauth's views only these are served."""

from __future__ import annotations

from allauth.account import views as accounts
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount import views as social
from django.urls import path, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django.views.generic import RedirectView
from django.views.i18n import set_language

from z4j_brain.lib.identityprovider import ID
from z4j_brain.panel import account, identity, presenter
from z4j_brain.panel.account import adding, proven

_security = RedirectView.as_view(url=reverse_lazy("mfa_index"))

urlpatterns = [
    path("sign-in/code/", never_cache(mfa.authenticate), name="mfa_authenticate"),
    path("sign-in/passkey/", never_cache(webauthn.login_webauthn), name="mfa_login_webauthn"),
    path("sign-in/inactive/", accounts.account_inactive, name="account_inactive"),
    path("sign-in/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
    path("sign-in/failed/", social.login_error, name="socialaccount_login_error"),
    path(f"sign-in/with/{ID}/", identity.sign_in, name="openid_connect_login"),
    path(f"sign-in/with/{ID}/again/", identity.sign_in, {"again": True}, name="oidc-again"),
    path("sign-in/with/<str:provider_id>/callback/", identity.come_back, name="openid_connect_callback"),
    path("account/", account.security, name="mfa_index"),
    path("account/sessions/", account.own_sessions, name="sessions"),
    path("account/language/", require_POST(set_language), name="language"),
    path("account/presenter/", presenter.switch, name="presenter"),
    path("account/password/", account.change_password, name="account_change_password"),
    path("account/confirm/", account.confirm, name="confirm"),
    path("account/confirm/password/", never_cache(accounts.reauthenticate), name="account_reauthenticate"),
    path("account/confirm/code/", never_cache(mfa.reauthenticate), name="mfa_reauthenticate"),
    path("account/confirm/passkey/", never_cache(webauthn.reauthenticate_webauthn), name="mfa_reauthenticate_webauthn"),
    path("account/app/add/", adding(totp.activate_totp), name="mfa_activate_totp"),
    path("account/app/remove/", proven(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("account/recovery-codes/", account.recovery_codes, name="mfa_view_recovery_codes"),
    path("account/recovery-codes/new/", proven(recovery.generate_recovery_codes), name="mfa_generate_recovery_codes"),
    path("account/passkeys/", _security, name="mfa_list_webauthn"),
    path("account/passkeys/add/", adding(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path("account/passkeys/<int:pk>/rename/", proven(webauthn.edit_webauthn), name="mfa_edit_webauthn"),
    path("account/passkeys/<int:pk>/remove/", proven(webauthn.remove_webauthn), name="mfa_remove_webauthn"),
]
