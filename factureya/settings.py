"""One settings file, driven by the environment; `.env.example` explains each variable in a line.

The safe thing is the default: DEBUG off, HTTPS on, second factor for staff on, no start without SECRET_KEY. What is not
named here keeps Django's and allauth's safe default: JSON tasks, X-Frame-Options DENY, nosniff, same-origin, Lax.
"""

import os
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import environ
import fontpkg_atkinson_hyperlegible
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.contrib.messages import constants as messages

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
# ENV_FILE="" (the tests) reads no file at all.
if env_file := os.environ.get("ENV_FILE", str(BASE_DIR / ".env")):
    env.read_env(env_file)

# -- Safety ------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="dev-only") if DEBUG else env("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # old keys that are still accepted
# Keys of second factors, the first encrypts; without any it is SECRET_KEY (docs/operations.md, Keys).
FACTOR_KEYS = env.list("FACTOR_KEYS", default=[])
# The seed of the key that signs expedientes (32 bytes, base64); without it the key is derived from SECRET_KEY. Beside
# it the public keys of before, as <hex>:<first day>:<last day> (docs/operations.md, Keys).
EXPEDIENTE_KEY = env("EXPEDIENTE_KEY", default="")
EXPEDIENTE_OLD_KEYS = env.list("EXPEDIENTE_OLD_KEYS", default=[])
DEMO = env.bool("DEMO", default=False)  # shows the demo accounts on the login page
HTTPS = env.bool("HTTPS", default=True)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SITE_URL = env("SITE_URL", default="http://localhost:8000").rstrip("/")
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
PAGES = env.bool("PAGES", default=True)  # off in processes without pages, which then load no admin
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", default=True)

# -- Files on this machine ---------------------------------------------------------------------------
VAR_DIR = Path(env("VAR_DIR", default=str(BASE_DIR / "var")))
MEDIA_ROOT = Path(env("MEDIA_ROOT", default=str(VAR_DIR / "media")))
MEDIA_URL = "media/"  # never served: files leave only through /archivos/<token>/
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
# Bytes of a whole request; far above the limit of a message, so that a person is told which file is too large.
REQUEST_MAX_BYTES = 256 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 20

# One file a day with the end of every chain of events (docs/operations.md); copy it to where nobody here can write.
ANCHORS_DIR = Path(env("ANCHORS_DIR", default=str(VAR_DIR / "anchors")))
# Certificates with which the SAT stamps invoices, as <number of 20 digits>.cer; a seal without its own is not checked.
SAT_CERTIFICATES_DIR = Path(env("SAT_CERTIFICATES_DIR", default=str(VAR_DIR / "sat-certificates")))

# Originals of suppliers' packages and their copies, written once (M32); not in MEDIA_ROOT, whose strays are deleted.
PACKAGES_DIR = Path(env("PACKAGES_DIR", default=str(VAR_DIR / "packages")))

# -- Apps --------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",  # its widget templates, for FORM_RENDERER
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "crispy_forms",
    "factureya.core",
    "factureya.portal",
    "accounts.apps.AccountsConfig",
    "accounts.apps.FactureyaAdminConfig",
    "tickets",
    "change_requests",
    "factureya.oversight",
    # Added only if they exist: the image of production has the demo only.
    *(name for name in ("factureya.demo", "factureya.bench", "factureya.dev") if find_spec(name)),
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",  # before the static files: an SVG opened by itself is a document too
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "factureya.core.middleware.NoNulInCookiesMiddleware",
    "factureya.core.middleware.NoStoreMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "factureya.core.middleware.RecordedSessionMiddleware",  # after the session and its user
    "factureya.core.middleware.RecordedLooksMiddleware",  # inside it: the look of an emergency is recorded there
    "factureya.core.middleware.MethodNotAllowedPageMiddleware",
    "factureya.core.middleware.BodyLimitMiddleware",  # last, so that its answer has every header
]

ROOT_URLCONF = "factureya.urls"
WSGI_APPLICATION = "factureya.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    },
    {
        "NAME": "mail",  # plain text: nothing is escaped, {{ variables }} are never mark_safe
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates" / "mail"],
        "OPTIONS": {"autoescape": False, "builtins": ["factureya.core.templatetags.fy"]},
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
CRISPY_ALLOWED_TEMPLATE_PACKS = CRISPY_TEMPLATE_PACK = "factureya"  # templates/factureya/
MESSAGE_TAGS = {messages.ERROR: "danger"}

# -- Database ----------------------------------------------------------------------------------------
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR}/db.sqlite3")}
DATABASES["default"]["ATOMIC_REQUESTS"] = False
# Options in the address (?sslmode=verify-full&sslrootcert=…) apply together with ours.
ASKED_OPTIONS = DATABASES["default"].pop("OPTIONS", {})
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # No mmap_size: with it SQLite 3.40 can leave a process on a deleted -shm, every request an I/O error.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA foreign_keys=ON;"
        "PRAGMA recursive_triggers=ON;PRAGMA temp_store=MEMORY;"
        "PRAGMA journal_size_limit=27103364;PRAGMA cache_size=-20000;",
    }
elif env.bool("DATABASE_POOL", default=True):  # commands with one thread turn it off
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 12, "timeout": 10}}
else:
    DATABASES["default"]["OPTIONS"] = {"connect_timeout": 10}
DATABASES["default"]["OPTIONS"] |= ASKED_OPTIONS
# Who owns the tables, if that is another role of PostgreSQL than the program's: `migrate` alone uses it (core.grants).
DATABASE_OWNER = env.db("DATABASE_OWNER_URL", default="") if env("DATABASE_OWNER_URL", default="") else {}
# The modules whose GUARDS (triggers) are installed after the last migration, by `core.guard_install`.
GUARDS = [
    "factureya.core.guards",
    "accounts.guards",
    "accounts.branding.guards",
    "tickets.guards",
    "tickets.calls.guards",
    "tickets.providers.guards",
    "change_requests.guards",
    "change_requests.emergency.guards",
    "change_requests.packages.guards",
    "tickets.charges.guards",
]
# What `verify_audit` compares beside the chains: functions that yield a Flaw for each row that no event explains (M26).
AUDIT_STATE_CHECKS: list[str] = [
    "factureya.core.record.state.find_flaws",
    "change_requests.record.state_checks.find_flaws",
    "tickets.calls.state.find_flaws",
    "tickets.merging.state_checks.find_flaws",
]
# The kinds of rows whose whole content stands in events: lists of `core.record.state.Kind`.
STATE_KINDS = [
    "accounts.models.state.KINDS",
    "change_requests.record.state.KINDS",
    "change_requests.packages.record.KINDS",
    "tickets.charges.record.KINDS",
    "tickets.calls.state.KINDS",
    "tickets.providers.state.KINDS",
]
# Called in the transaction that seals the day: callables (anchor).
ANCHOR_SEALED = ["accounts.notifications.tell_day_sealed"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Cache: it counts the limits of login and look-up, so all processes share it ------------------
CACHES = {"default": env.cache_url("CACHE_URL", default=f"filecache://{VAR_DIR}/cache")}
if CACHES["default"]["BACKEND"].endswith(".FileBasedCache"):
    CACHES["default"]["BACKEND"] = "factureya.core.running.cache_files.FileCache"

# -- Background work: the broker only wakes a worker; the database holds all facts ----------------------
CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="filesystem://")
if CELERY_BROKER_URL.startswith("filesystem://"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR_DIR / "queue/messages"),
        "data_folder_out": str(VAR_DIR / "queue/messages"),
        "processed_folder": str(VAR_DIR / "queue/processed"),
        "control_folder": str(VAR_DIR / "queue/control"),
        "store_processed": False,
        "polling_interval": 0.5,
    }
else:
    # A broker that is down costs a request one second at most; the sweep sends the mail later.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 5, "max_retries": 0}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "factureya.core.running.beat:FreshScheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep_outbox": {
        "task": "factureya.core.tasks.sweep_outbox",
        "schedule": timedelta(seconds=env.int("SWEEP_OUTBOX_SECONDS", default=60)),
    },
    "sweep_inbound": {"task": "factureya.core.tasks.sweep_inbound", "schedule": timedelta(minutes=1)},
    "fetch_mail": {
        "task": "factureya.core.tasks.fetch_mail",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},  # after a minute the next one is due
    },
    # At 3:10 in Mexico; the log's page and the board show what it found.
    "verify_log": {"task": "factureya.core.tasks.verify_log", "schedule": crontab(hour=9, minute=10)},
    # Every day, because only the first run of a month seals the month before.
    "seal_population": {"task": "factureya.oversight.tasks.seal_population", "schedule": crontab(hour=9, minute=40)},
    "purge_orphans": {"task": "factureya.core.tasks.purge_orphan_attachments", "schedule": timedelta(hours=1)},
    # Often, because only the first run of a day seals it; each writes the files that a run before could not write.
    "seal_day": {"task": "factureya.core.tasks.seal_day", "schedule": timedelta(minutes=30)},
    # A worker is called when a file comes; this finds what a lost call left.
    "read_invoices": {"task": "factureya.core.tasks.read_invoices", "schedule": timedelta(minutes=5)},
    # A ticket that is opened while the calendar changes counts by the old one: a little later it moves too.
    "settle_calendar": {"task": "factureya.core.tasks.settle_calendar", "schedule": timedelta(minutes=5)},
    "forget_quotas": {"task": "factureya.core.tasks.forget_quotas", "schedule": timedelta(hours=1)},
    "warn_before_close": {"task": "tickets.tasks.warn_before_close", "schedule": timedelta(minutes=5)},
    "close_unanswered": {"task": "tickets.tasks.close_unanswered", "schedule": timedelta(minutes=5)},
    "lapse_charges": {"task": "tickets.tasks.lapse_charges", "schedule": timedelta(minutes=5)},
    "expire_due": {"task": "change_requests.tasks.expire_due", "schedule": timedelta(minutes=5)},
    "remind_due": {"task": "change_requests.tasks.remind_due", "schedule": timedelta(minutes=5)},
    "sweep_imports": {"task": "accounts.credits.tasks.sweep_imports", "schedule": timedelta(minutes=2)},
    "tidy_emergencies": {"task": "change_requests.tasks.tidy_emergencies", "schedule": timedelta(minutes=1)},
    # Each file once a night, from 3:00 in Mexico on; the other runs take new files, and go on with a long night.
    "compare_package_files": {
        "task": "change_requests.tasks.compare_package_files",
        "schedule": crontab(minute="0,15,30,45"),
        "options": {"expires": 15 * 60},
    },
    "purge_package_uploads": {"task": "change_requests.tasks.purge_package_uploads", "schedule": timedelta(hours=1)},
}

# -- Mail --------------------------------------------------------------------------------------------
EMAIL_FILE_PATH = str(VAR_DIR / "mail")
if email_url := env("EMAIL_URL", default=""):
    EMAIL = env.email_url("EMAIL_URL")
    EMAIL_BACKEND = EMAIL["EMAIL_BACKEND"]
    EMAIL_HOST, EMAIL_PORT = EMAIL["EMAIL_HOST"], EMAIL["EMAIL_PORT"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL["EMAIL_HOST_USER"], EMAIL["EMAIL_HOST_PASSWORD"]
    EMAIL_USE_TLS = EMAIL.get("EMAIL_USE_TLS", False)
    EMAIL_USE_SSL = EMAIL.get("EMAIL_USE_SSL", False)
else:
    EMAIL_BACKEND = "factureya.core.mail.backend.EmlFileBackend"  # one .eml each in var/mail/
EMAIL_TIMEOUT = 20
SUPPORT_EMAIL = "soporte@factureya.com"
CONTROL_DESK_EMAIL = "mesadecontrol@factureya.com"
DEFAULT_FROM_EMAIL = f"Factureya Soporte <{SUPPORT_EMAIL}>"
SERVER_EMAIL = SUPPORT_EMAIL
OUTBOX_MAX_ATTEMPTS = 8
OUTBOX_STUCK_AFTER = timedelta(seconds=env.int("OUTBOX_STUCK_SECONDS", default=15 * 60))
# Called in the transaction that marks a mail as sent: kind of mail -> callable(message, sent_at).
OUTBOX_ON_SENT = {"tickets/reminder": "tickets.operations.reminder_sent"}
# Called when a mail was not delivered, because of a bounce or a refusal: others may have its link.
MAIL_UNDELIVERED = {
    "accounts/invited": "accounts.operations.void_undelivered_invitation",
    "accounts/invited_staff": "accounts.operations.void_undelivered_invitation",
    "change_requests/set_password": "change_requests.operations.void_undelivered_password_link",
}
# Called for the files of a mail when it is sent: kind of mail -> callable(message) -> [(name, bytes, type)].
OUTBOX_FILES = dict.fromkeys(
    ("change_requests/confirm", "change_requests/submitted"), "change_requests.documents.receipt.attach_receipt"
)
# The head of a mail, called when it is sent: callable(message) -> core.mail.heads.Head, or None for Factureya's (M33).
OUTBOX_HEAD = "accounts.branding.mail_heads.find_head"

# -- Mail in: address -> handlers, asked in this order; the first one that claims a mail gets it
MAIL_ROUTES = {
    address: ["change_requests.inbound.receive", "tickets.inbound.receive"]
    for address in (SUPPORT_EMAIL, CONTROL_DESK_EMAIL)
}
# Tells whether a mail answers one of ours; if not, all its words are new (M17).
MAIL_ANSWERS_OURS = "tickets.threads.answers_ours"
# Gives the folio of a request's chain, for receive_email --json.
MAIL_FOLIO = "change_requests.inbound.find_folio_of_chain"
MAIL_IN_REQUIRE_VERDICT = env.bool("MAIL_IN_REQUIRE_VERDICT", default=True)  # M5
MAIL_TRUSTED_AUTHSERV = env("MAIL_TRUSTED_AUTHSERV", default="")
MAIL_IN_LISTEN = env("MAIL_IN_LISTEN", default="127.0.0.1:8025")
MAIL_IN_IMAP_URL = env("MAIL_IN_IMAP_URL", default="")
MAIL_IN_MAX_FILES = 20  # in one mail: nobody can be asked to send the others again
# Limits of automatic mails that answer mails, the second line against loops.
MAIL_ANSWERS_PER_SENDER = env.int("MAIL_ANSWERS_PER_SENDER", default=10)  # to one registered sender, in an hour
MAIL_ANSWERS_PER_HOUR = env.int("MAIL_ANSWERS_PER_HOUR", default=2000)  # to all registered senders, in an hour
MAIL_NOTICES_PER_HOUR = env.int("MAIL_NOTICES_PER_HOUR", default=100)  # to all other senders, in an hour
MAIL_FLIPS_PER_HOUR = env.int("MAIL_FLIPS_PER_HOUR", default=3)  # of one ticket, En espera -> Abierto, in an hour

# -- The manual's times (spec: manual-clauses.md) ----------------------------------------------------
TIME_ZONE = env("TIME_ZONE", default="America/Mexico_City")
CUSTOMER_REPLY_DAYS = env.int("CUSTOMER_REPLY_DAYS", default=3)  # M15
CUSTOMER_REPLY_CALENDAR = env("CUSTOMER_REPLY_CALENDAR", default="natural")  # M15: natural | business
REMINDER_HOURS = env.int("REMINDER_HOURS", default=24)  # M15: before closes_at
REMINDER_LOOKAHEAD_MINUTES = 10
FIRST_REPLY_BUSINESS_HOURS = env.int("FIRST_REPLY_BUSINESS_HOURS", default=4)  # the queue's "Meta"
# Whose open deadlines move with the attention hours and the holidays (M2): `core.hours.deadlines.Source` each.
CALENDAR_DEADLINES = ["tickets.operations.deadlines.SOURCE", "change_requests.operations.deadlines.SOURCE"]
LINK_DAYS = 30  # signed links in mails
MERGE_UNDO_DAYS = env.int("MERGE_UNDO_DAYS", default=30)  # M11: how long a merge of two tickets can be undone

# -- Charges (M18) -----------------------------------------------------------------------------------
CHARGE_HOURLY_RATE = env("CHARGE_HOURLY_RATE", default="450.00")  # pesos; the form of a proposal begins with it
CHARGE_TAX_RATE = env.int("CHARGE_TAX_RATE", default=1600)  # IVA in ten-thousandths: 1600 is 16 %

# -- Formal requests (M7, M19-M25) -------------------------------------------------------------------
# Between approval and execution when the registered mail or the representative changes.
SENSITIVE_FREEZE_HOURS = env.int("SENSITIVE_FREEZE_HOURS", default=72)
REQUEST_CONFIRM_HOURS = env.int("REQUEST_CONFIRM_HOURS", default=48)  # from the registered mail
VERIFY_BUSINESS_DAYS = env.int("VERIFY_BUSINESS_DAYS", default=1)  # mesa de control
APPROVE_BUSINESS_DAYS = env.int("APPROVE_BUSINESS_DAYS", default=2)
EXECUTE_BUSINESS_DAYS = env.int("EXECUTE_BUSINESS_DAYS", default=5)  # then the approval is void
CLOSE_BUSINESS_DAYS = env.int("CLOSE_BUSINESS_DAYS", default=2)
WAIVER_CHECK_BUSINESS_DAYS = env.int("WAIVER_CHECK_BUSINESS_DAYS", default=1)  # M25
PASSWORD_LINK_MINUTES = env.int("PASSWORD_LINK_MINUTES", default=30)  # M7, cambio de clave
NOT_ME_DAYS = env.int("NOT_ME_DAYS", default=30)  # «no fui yo»

# -- Emergency accounts (M22, M23, M26, M27) ---------------------------------------------------------
EMERGENCY_MAX_MINUTES = env.int("EMERGENCY_MAX_MINUTES", default=240)  # the database allows no more than 240
EMERGENCY_DECIDE_MINUTES = env.int("EMERGENCY_DECIDE_MINUTES", default=240)  # to authorize; then it lapses
EMERGENCY_START_MINUTES = env.int("EMERGENCY_START_MINUTES", default=30)  # to open it, once authorized
EMERGENCY_HALVES_MINUTES = env.int("EMERGENCY_HALVES_MINUTES", default=10)  # between the two halves
EMERGENCY_IDLE_MINUTES = env.int("EMERGENCY_IDLE_MINUTES", default=15)
EMERGENCY_REVIEW_BUSINESS_DAYS = env.int("EMERGENCY_REVIEW_BUSINESS_DAYS", default=2)  # M27
# Finds the ticket of an emergency by what a person typed: (number, customer's key, whether it is open), or None.
EMERGENCY_TICKET_FINDER = "tickets.operations.find_incident"
CREDENTIAL_DAYS = env.int("CREDENTIAL_DAYS", default=90)  # M22: a sealed password is renewed
CREDENTIAL_WARN_DAYS = env.int("CREDENTIAL_WARN_DAYS", default=10)  # its custodians are told before
CLOCK_SKEW_SECONDS = env.int("CLOCK_SKEW_SECONDS", default=2)  # between the web's clock and the database's

# -- Credit packages of suppliers (M28-M32) ----------------------------------------------------------
PACKAGE_MAX_BYTES = env.int("PACKAGE_MAX_BYTES", default=500 * 1024 * 1024)
PACKAGE_DOCUMENT_MAX_BYTES = 10 * 1024 * 1024  # a patch, a licence, a consent
PACKAGE_FREE_BYTES = 256 * 1024 * 1024  # room that an upload leaves on the disk
PACKAGE_UPLOAD_HOURS = env.int("PACKAGE_UPLOAD_HOURS", default=24)  # after its last piece an upload is deleted

# -- Attachments (M17) -------------------------------------------------------------------------------
ATTACHMENT_MAX_BYTES = 10 * 1024 * 1024
ATTACHMENT_MAX_FILES = 5
ATTACHMENT_MAX_PIXELS = 40_000_000
ATTACHMENT_ORPHAN_HOURS = 24

# -- Accounts ----------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "accounts.sign_in.backends.EmailBackend",
    "change_requests.emergency.backend.EmergencyBackend",  # nobody signs in with it (M22)
]
# Sessions whose every request is written down: backend -> the middleware that answers them (`core.middleware`; M26).
RECORDED_SESSIONS = {
    "change_requests.emergency.backend.EmergencyBackend": "change_requests.emergency.middleware.EmergencyMiddleware"
}
# Called with each request that showed something to a person of staff, to write it down (`core.middleware`; M3, M26).
LOOKS_RECORDERS = ["factureya.oversight.looks.record_look", "tickets.providers.looks.record_look"]
PASSWORD_HASHERS = ["accounts.passwords.LeanArgon2PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "full_name"]},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "accounts:home"
LOGOUT_REDIRECT_URL = "portal:home"
ACCOUNT_ADAPTER = "accounts.sign_in.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = 3
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True  # tells the owner that a password or a factor changed
ACCOUNT_MAX_EMAIL_ADDRESSES = 1
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "signup": "accounts.forms.SignupForm",
    "confirm_email_verification_code": "accounts.forms.ConfirmEmailForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "confirm_password_reset_code": "accounts.forms.ConfirmResetForm",
    "reset_password_from_key": "accounts.forms.NewPasswordForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
}
# The number of requests in a time, per address (ip) and per account (key), counted in the shared cache.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "login_failed_everybody": "300/m/key",
    "signup": "20/m/ip,100/h/ip",
    "confirm_email": "3/m/key,10/h/key",
    "reset_password": "20/m/ip,3/m/key,10/h/key",
    "reset_password_from_key": "20/m/ip",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
    "accept_invitation": "30/m/ip",
    "invite": "10/m/user,100/d/user",
    "branding": "60/h/user",  # previews and changes of a company's image: each may decode a picture or read an XML
    "new_mail_code": "5/5m/key",  # tries of the code for the new registered mail of a request
    "send_code": "3/m/key,10/h/key",  # sendings of such a code
    "open_link": "30/m/ip",  # openings of the links of formal requests
}
MFA_ADAPTER = "accounts.sign_in.adapter.MFAAdapter"
MFA_FORMS = {
    "authenticate": "accounts.forms.FactorForm",
    "reauthenticate": "accounts.forms.FactorAgainForm",
    "activate_totp": "accounts.forms.ActivateFactorForm",
    "deactivate_totp": "accounts.forms.DeactivateFactorForm",
}
INVITATION_DAYS = env.int("INVITATION_DAYS", default=7)
# Called by `seed_demo` to add the demo data of other apps: callables (people by key, present).
DEMO_SEEDS = [
    f"factureya.demo.{name}.seed"
    for name in ("branding", "requests", "emergencies", "packages", "charges", "phone", "credits", "authority")
]
CUSTOMER_CARDS = ["tickets.desk.customer_card.render_tickets"]  # callables (request, customer) -> HTML
EVENT_WORDS = "factureya.oversight.verbs.describe"  # callable (verb, data) -> text
CUSTOMER_JOINED = ["tickets.operations.move_to_customer"]  # callables (source, target, *, actor)
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Factureya"

# -- Credits of the companies (M28) --------------------------------------------------------------------
CREDITS_LOW_PERCENT = env.int("CREDITS_LOW_PERCENT", default=20)  # of the package: so few or fewer are shown as low
CREDITS_EXPIRE_DAYS = env.int("CREDITS_EXPIRE_DAYS", default=30)  # shown as «vencen pronto»
CREDITS_IMPORT_MAX_BYTES = 20 * 1024 * 1024
CREDITS_IMPORT_MAX_ROWS = 100_000

# -- Addresses outside this portal (M2); without them the pages say whom to ask ------------------------
FACTUREYA_SYSTEM_URL = env("FACTUREYA_SYSTEM_URL", default="")  # «Ingresar Sistema Factureya»
FREE_APP_URL = env("FREE_APP_URL", default="")  # where the free application is downloaded
# Whose mail addresses a request of the authority may come from: these domains and what is below them.
AUTHORITY_MAIL_DOMAINS = env.list("AUTHORITY_MAIL_DOMAINS", default=["gob.mx"])

# -- Browser -----------------------------------------------------------------------------------------
SESSION_COOKIE_AGE = 60 * 60 * 12
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "factureya.portal.errors.csrf_failure"
LANGUAGE_COOKIE_HTTPONLY = True
if HTTPS:
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = 63_072_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    if TRUSTED_PROXY_COUNT:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        **{name: [SELF] for name in "script-src style-src img-src font-src connect-src form-action".split()},
        **{name: [NONE] for name in "base-uri frame-ancestors object-src".split()},
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {"camera": [], "geolocation": [], "microphone": [], "payment": [], "usb": []}

# -- Language ----------------------------------------------------------------------------------------
LANGUAGE_CODE = "es-mx"
LANGUAGES = [("es-mx", "Español (México)")]

# -- Static files ------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static", ("fonts", Path(fontpkg_atkinson_hyperlegible.__file__).parent / "files")]
WHITENOISE_MIMETYPES = {".ttf": "font/ttf"}
WHITENOISE_ALLOW_ALL_ORIGINS = False  # no other site may embed our files
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {
        "tokens": {"()": "factureya.core.mail.own_links.WithoutTokens"},
        "halves": {"()": "change_requests.emergency.halves.WithoutHalves"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["tokens", "halves"]}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
}
