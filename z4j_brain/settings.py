"""Every setting of the brain, read once from the environment; a wrong value stops the start with a sentence."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from z4j_brain.lib import datafolder, identityprovider, mailserver

ROOT = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    """The value of `Z4J_<name>`, or of the file that `Z4J_<name>_FILE` names."""
    path = os.environ.get(f"Z4J_{name}_FILE")
    return Path(path).read_text().strip() if path else os.environ.get(f"Z4J_{name}", default)


def env_bool(name: str, default: bool = False) -> bool:
    value = env(name, "1" if default else "0").lower()
    if value not in ("1", "0", "true", "false", "yes", "no"):
        raise ImproperlyConfigured(f"Z4J_{name}={value}: write 1 or 0.")
    return value in ("1", "true", "yes")


def env_int(name: str, default: int) -> int:
    value = env(name, str(default))
    if not value.isdigit():
        raise ImproperlyConfigured(f"Z4J_{name}={value}: write a whole number.")
    return int(value)


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in env(name, default).split(",") if part.strip()]


def database(url: str) -> dict[str, object]:
    """Django's settings for `postgres://user:password@host:port/name`, or for SQLite in the data folder."""
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Z4J_DATA_DIR / "z4j.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON;",
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured("Z4J_DATABASE_URL starts with postgres://, or is left out for SQLite.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 0,
        # A connection that died in the pool is found there, not by whoever asked for it.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 3,
            "keepalives_idle": 30,
            # A pool that gives up soon tries anew for the next who asks; otherwise it waits twice as long each time.
            "pool": {"min_size": 1, "max_size": 16, "timeout": 3, "reconnect_timeout": 4, "max_lifetime": 1800},
        },
    }


Z4J_DATA_DIR = Path(env("DATA_DIR", str(Path.home() / ".local" / "share" / "z4j"))).expanduser()
# Where checkpoints of the log are kept outside the database; "off" for nowhere.
Z4J_ANCHOR_FILE = env("ANCHOR_FILE", str(Z4J_DATA_DIR / "anchors" / "checkpoints.txt"))
Z4J_ANCHOR_SYSLOG = env("ANCHOR_SYSLOG", "on")
# Names and addresses inside a private network, and socket files, that webhooks and streams may go to all the same.
Z4J_PRIVATE_HOSTS = [host.lower() for host in env_list("PRIVATE_HOSTS")]
Z4J_DISK_FLOOR = env_int("DISK_FLOOR", 200)
Z4J_HOST = env("HOST", "127.0.0.1")
Z4J_PORT = env_int("PORT", 7700)
Z4J_URL = env("URL", f"http://{Z4J_HOST}:{Z4J_PORT}").rstrip("/")
Z4J_SOURCE_URL = env("SOURCE_URL")
Z4J_TRUSTED_PROXIES = env_list("TRUSTED_PROXIES")

DEBUG = False
SECRET_KEY = env("SECRET_KEY") or datafolder.secret(Z4J_DATA_DIR, "django")
# What an earlier key signed (sessions, forms) is still believed, so that a new key signs nobody out.
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")
# Encrypts what the database must hold but not show: the seeds of authenticator apps and recovery codes.
Z4J_FIELD_SECRET = env("FIELD_SECRET") or datafolder.secret(Z4J_DATA_DIR, "fields")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
SECURE = Z4J_URL.startswith("https://")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "guardian",
    "auditlog",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "z4j_brain.ledger",
    "z4j_brain.rbac",
    "z4j_brain.audit",
    "z4j_brain.agents",
    "z4j_brain.stats",
    "z4j_brain.operations",
    "z4j_brain.fleet",
    "z4j_brain.tasks",
    "z4j_brain.schedules",
    "z4j_brain.alerts",
    "z4j_brain.issues",
    "z4j_brain.notifications",
    "z4j_brain.gateway",
    "z4j_brain.panel",
    "z4j_brain.housekeeping",
]

ROOT_URLCONF = "z4j_brain.urls"
ASGI_APPLICATION = "z4j_brain.asgi.application"
AUTH_USER_MODEL = "rbac.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": database(env("DATABASE_URL"))}
Z4J_DATABASE_URL_TO = env("DATABASE_URL_TO")
# What the panel speaks: by its reader's choice, in a cookie, or as their browser asks. All else is in English.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [Path(__file__).resolve().parent / "locale"]
FORMAT_MODULE_PATH = "z4j_brain.lib.formats"  # numbers are written alike in every language
TIME_ZONE = "UTC"
USE_TZ = True
GUARDIAN_RAISE_403 = False
ANONYMOUS_USER_NAME = None
# Guardian's backend would be a second policy beside rbac.access, which reads guardian's rows itself.
SILENCED_SYSTEM_CHECKS = [
    "guardian.W001",
    "security.W005",  # HSTS for subdomains, and
    "security.W021",  # preloading it: both are for the owner of the whole domain to decide
    "security.W008",  # redirecting to TLS is done where TLS ends: by the proxy
]

MIDDLEWARE = [
    "z4j_brain.panel.headers.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "z4j_brain.panel.language.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
    "z4j_brain.panel.presenter.PresenterMiddleware",
    "z4j_brain.panel.presence.PresenceMiddleware",
    "z4j_brain.panel.problems.ProblemMiddleware",
]

# In a checkout templates/ and static/ stand beside the package; a wheel carries them inside it.
_PACKAGE = Path(__file__).resolve().parent
TEMPLATES_DIR = ROOT / "templates" if (ROOT / "manage.py").exists() else _PACKAGE / "_templates"
STATIC_DIR = ROOT / "static" if (ROOT / "manage.py").exists() else _PACKAGE / "_static"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [TEMPLATES_DIR],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "z4j_brain.panel.context.shell",
                "z4j_brain.panel.account.shell",
            ],
            "builtins": ["django.templatetags.i18n"],
            "libraries": {"panel": "z4j_brain.panel.templatetags", "passkeys": "z4j_brain.panel.accounttags"},
        },
    }
]

STATIC_URL = "/static/"
STATICFILES_DIRS = [STATIC_DIR]
WHITENOISE_USE_FINDERS = True

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
SESSION_ENGINE = "z4j_brain.rbac.sessions"
SESSION_COOKIE_NAME = "__Host-z4j" if SECURE else "z4j"
CSRF_COOKIE_NAME = "__Host-z4j-csrf" if SECURE else "csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_NAME = "__Host-z4j-language" if SECURE else "z4j-language"
LANGUAGE_COOKIE_AGE = 365 * 86_400
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# Minutes without a click, and hours in all, after which whoever signed in has to do so again.
Z4J_SESSION_IDLE = env_int("SESSION_IDLE", 30) * 60
Z4J_SESSION_LIFE = env_int("SESSION_LIFE", 12) * 3600
SESSION_COOKIE_AGE = Z4J_SESSION_IDLE
CSRF_TRUSTED_ORIGINS = [Z4J_URL] if SECURE else []
X_FRAME_OPTIONS = "DENY"
# Not "no-referrer": browsers would send `Origin: null` with forms, and the CSRF check would refuse them all.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0

AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25
AXES_USERNAME_CALLABLE = "z4j_brain.panel.codes.counted"  # who confirms in a session is counted by the session
AXES_LOCKOUT_PARAMETERS = ["username", ["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "z4j_brain.panel.signin.locked_out"
AXES_RESET_ON_SUCCESS = True
# A lock ends when it is over, also for somebody whom another keeps guessing at.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True  # the ledger keeps who signed in
AXES_SENSITIVE_PARAMETERS = ["login", "password", "oldpassword", "code", "credential", "csrfmiddlewaretoken"]

ACCOUNT_ADAPTER = "z4j_brain.panel.adapters.AccountAdapter"
ACCOUNT_FORMS = {
    "reauthenticate": "z4j_brain.panel.codes.PasswordForm",
    "change_password": "z4j_brain.panel.codes.ChangePasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
# axes counts failed tries, of passwords and of codes, by name and address; one counter is enough.
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": None, "reauthenticate": None, "change_password": None}
ACCOUNT_REAUTHENTICATION_TIMEOUT = 0  # rbac.fresh says what is recent enough
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL

# Who needs a second factor: nobody ("optional"), "everybody", or whoever has one of these roles somewhere.
Z4J_MFA = [] if env("MFA", "optional") == "optional" else env_list("MFA")
MFA_ADAPTER = "z4j_brain.panel.adapters.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "z4j_brain.panel.codes.CodeForm",
    "reauthenticate": "z4j_brain.panel.codes.ConfirmCodeForm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "preferred"
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "z4j"
MFA_TOTP_TOLERANCE = 1  # a clock may be off by half a minute; no code counts twice
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses are not a way in here
MFA_RATE_LIMITS = {"webauthn_login": "30/m/ip"}

# One identity provider by which people may sign in, too: a JSON object, see docs/how-to/sign-in.md.
Z4J_OIDC = identityprovider.read(env("OIDC"))
SOCIALACCOUNT_PROVIDERS = identityprovider.providers(Z4J_OIDC)
SOCIALACCOUNT_ADAPTER = "z4j_brain.panel.identity.IdentityAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # state, nonce and PKCE bind the answer to the browser that asked
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5

# The mail server through which alerts are told: see z4j_brain/lib/mailserver.py. Without one, none go by e-mail.
_MAIL = mailserver.read(env("MAIL_URL"))
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.starttls, _MAIL.tls
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = env("MAIL_FROM", "z4j@localhost")

Z4J_API_RATE = env_int("API_RATE", 6000)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "z4j_brain.rbac.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["z4j_brain.rbac.authentication.DenyAll"],  # each Door says whom it lets in
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["z4j_brain.rbac.throttle.Throttle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "z4j_brain.lib.problem.handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
Z4J_LOG = env("LOG", "json" if SECURE else "text")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "z4j_brain.lib.logs.JSONFormatter"},
        "text": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": Z4J_LOG}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "z4j_brain": {"level": env("LOG_LEVEL", "INFO")},
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},  # what was not found is no news, and its address may be a secret
    },
}

SPECTACULAR_SETTINGS = {
    "TITLE": "z4j",
    "DESCRIPTION": "Tasks of every engine: what happened to them, and what may be done to them.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "z4j_brain.rbac.schema.add_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "TaskState": "z4j_brain.tasks.states.TaskState",
        "OperationState": "z4j_brain.operations.states.OperationState",
        "LeftOut": "z4j_brain.operations.states.LeftOut",
        "Presence": "z4j_brain.agents.states.Presence",
        "RuleKind": "z4j_brain.agents.states.RuleKind",
        "Permission": "z4j_brain.rbac.states.Permission",
        "Role": "z4j_brain.rbac.states.Role",
        "ApprovalState": "z4j_brain.rbac.states.ApprovalState",
        "Outcome": "z4j_brain.ledger.states.Outcome",
        "AlertKind": "z4j_brain.alerts.states.Kind",
        "AlertStanding": "z4j_brain.alerts.states.Standing",
        "ChannelKind": "z4j_brain.alerts.states.ChannelKind",
        "DeliveryState": "z4j_brain.alerts.states.DeliveryState",
    },
}

CHANNEL_URL = env("CHANNEL_URL")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # redis-py 8 closes an idle socket after 5 s unless told otherwise, and the websocket with it.
            "hosts": [{"address": CHANNEL_URL, "socket_timeout": 60, "socket_connect_timeout": 3}],
            # All websockets and waiting polls of a process share one queue.
            "capacity": 1000,
        },
    }
    if CHANNEL_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
