"""Signing in by an identity provider (OpenID Connect): what we demand of its answer, and whom it makes.

allauth carries the dance: state, PKCE, the exchange of the code. The identity token is checked here: signature by a key
of the provider's own set, issuer, audience, times, and the nonce of this very browser.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping
from typing import Any

import jwt
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY, resume_request
from allauth.account.signals import authentication_step_completed
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from z4j_brain.lib.identityprovider import ID
from z4j_brain.rbac import fresh, people
from z4j_brain.rbac.models import User

logger = logging.getLogger(__name__)

#: Signatures that take a private key of the provider; never one that its public key, or no key, could make.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
DEMANDED = ("iss", "sub", "aud", "exp", "iat", "nonce")
#: Seconds that the provider's clock may be off.
LEEWAY = 30


def ways_in(again: bool = False) -> list[tuple[str, str]]:
    """Name and address of each provider; `again`: who is signed in there is to prove it anew."""
    if not settings.Z4J_OIDC:
        return []
    return [(settings.Z4J_OIDC["name"], reverse("oidc-again" if again else "openid_connect_login"))]


class IdentityAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Whom the provider knows may come in. They see nothing until somebody gives them a role."""
        return True

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, exception: Any = None, **kwargs: Any
    ) -> None:
        """The page says the same whatever was wrong; the reason is for whoever runs the brain."""
        logger.warning("sign_in_refused by=identity_provider reason=%s", exception or kwargs.get("error"))

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Link to the account with the same address, where that is configured and the provider vouches for it."""
        claims = sociallogin.account.extra_data["id_token"]
        vouched = settings.Z4J_OIDC["link_by_email"] and claims.get("email_verified") is True
        found = people.with_address(str(claims.get("email", ""))) if vouched and not sociallogin.is_existing else None
        if found:
            sociallogin.connect(request, found)
        sociallogin.email_addresses = []  # an address is no way in here, and may be somebody else's too


class Checked(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    nonce, again = "", False

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> SocialLogin:
        try:
            claims = self._claims(app, str(kwargs["response"].get("id_token", "")))
            vouched = _vouched(claims)
            told = self._fetch_user_info(token.token) if self.openid_config.get("userinfo_endpoint") else {}
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise OAuth2Error(f"The provider's answer is not to be believed: {error}") from error
        if told and told.get("sub") != claims["sub"]:
            raise OAuth2Error("The provider told of somebody else.")
        request.__dict__["_z4j_vouched"] = vouched
        return self.get_provider().sociallogin_from_response(request, {"id_token": {**told, **claims}})

    def _claims(self, app: Any, text: str) -> dict[str, Any]:
        """What the identity token says, when all of it holds."""
        issuer = settings.Z4J_OIDC["issuer"].rstrip("/")
        if str(self.openid_config.get("issuer", "")).rstrip("/") != issuer:
            raise OAuth2Error("The provider says that it is another one.")
        header = jwt.get_unverified_header(text)
        if header.get("alg") not in ALGORITHMS:
            raise OAuth2Error("The identity token is signed in a way that proves nothing.")
        claims: dict[str, Any] = jwt.decode(
            text,
            self._key(header),
            algorithms=[header["alg"]],
            audience=app.client_id,
            issuer=self.openid_config["issuer"],
            leeway=LEEWAY,
            options={"require": list(DEMANDED)},
        )
        if not self.nonce or not secrets.compare_digest(str(claims["nonce"]), self.nonce):
            raise OAuth2Error("The identity token was made for another sign-in.")
        if claims.get("azp", app.client_id) != app.client_id:
            raise OAuth2Error("The identity token was made for another application.")
        if self.again and time.time() - int(claims.get("auth_time", 0)) > fresh.LIFE:
            raise OAuth2Error("The provider did not ask anew who it is.")
        return claims

    def _key(self, header: dict[str, Any]) -> jwt.PyJWK:
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        for one in jwt.PyJWKSet.from_dict(answer.json()).keys:
            if one.key_id == header.get("kid"):
                return one
        raise OAuth2Error("The identity token is signed with a key that the provider does not have.")


def _vouched(claims: Mapping[str, Any]) -> dict[str, Any]:
    """When the provider asked who it is, and whether for what counts as a second factor here. No word of it: never."""
    asked, now = int(claims.get("auth_time", 0)), int(time.time())
    ways, counts = claims.get("amr", []), set(settings.Z4J_OIDC["second_factors"])
    given = isinstance(ways, list) and any(isinstance(way, str) and way in counts for way in ways)
    return {"auth_time": min(asked, now) if asked <= now + LEEWAY else 0, "second_factor": given}


@receiver(authentication_step_completed)
def remember(request: HttpRequest, method: str, **kwargs: Any) -> None:
    """Beside the session's record of this sign-in stands what the provider vouched for."""
    records = request.session.get(AUTHENTICATION_METHODS_SESSION_KEY)
    if method == "socialaccount" and records:
        told = request.__dict__.get("_z4j_vouched", {})
        request.session[AUTHENTICATION_METHODS_SESSION_KEY] = [*records[:-1], records[-1] | told]


class Callback(OAuth2CallbackView):  # type: ignore[misc]
    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[Any, Any]:
        state, response = super()._get_state(request, provider)
        if state:
            self.adapter.nonce = str((state.get("data") or {}).get("nonce", ""))
            self.adapter.again = bool((state.get("data") or {}).get("again"))
        return state, response


@require_GET
@never_cache
def sign_in(request: HttpRequest, again: bool = False) -> HttpResponse:
    """Off to the provider. What it is asked for is ours to say, and no parameter of the address."""
    if not settings.Z4J_OIDC:
        raise Http404
    adapter = Checked(request, ID)
    provider = adapter.get_provider()
    nonce = secrets.token_urlsafe(24)
    asked = {"nonce": nonce} | ({"prompt": "login", "max_age": "0"} if again else {})
    following = get_next_redirect_url(request) or None
    try:
        response: HttpResponse = provider.redirect(
            request, process="login", next_url=following, data={"nonce": nonce, "again": again}, auth_params=asked
        )
    except (OSError, ValueError, KeyError):
        return redirect(f"{reverse('socialaccount_login_error')}?{urlencode({'away': '1'})}")
    return response


@require_GET
@never_cache
def come_back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The provider's answer. Whoever was sent to prove who they are goes on with what they did, if it is still they."""
    if not settings.Z4J_OIDC or provider_id != ID:
        raise Http404
    was, kept, adapter = request.user, request.session.get(STATE_SESSION_KEY), Checked(request, ID)
    response: HttpResponse = Callback.adapter_view(adapter)(request)
    same = adapter.again and isinstance(was, User) and request.user == was
    if kept and same and isinstance(response, HttpResponseRedirect):
        request.session[STATE_SESSION_KEY] = kept
        request.GET = QueryDict(urlencode({"next": response.url}))
        resumed: HttpResponse | None = resume_request(request)
        return resumed or response
    return response
