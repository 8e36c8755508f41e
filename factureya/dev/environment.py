"""Set the environment of the tests before Django is loaded (`pytest -p`): no `.env`, no `var/`, no mail is sent.

With `pytest -n` each worker has a folder of its own inside the controller's, which removes them all.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

ROOT = "FACTUREYA_TESTS_DIR"
OURS = (
    "DEMO CSRF_TRUSTED_ORIGINS TRUSTED_PROXY_COUNT MEDIA_ROOT EMAIL_URL TIME_ZONE CUSTOMER_REPLY_DAYS "
    "CUSTOMER_REPLY_CALENDAR REMINDER_HOURS FIRST_REPLY_BUSINESS_HOURS OUTBOX_STUCK_SECONDS SWEEP_OUTBOX_SECONDS "
    "FACTOR_KEYS SECRET_KEY_FALLBACKS INVITATION_DAYS LOG_LEVEL MAIL_IN_REQUIRE_VERDICT MAIL_TRUSTED_AUTHSERV "
    "EXPEDIENTE_KEY EXPEDIENTE_OLD_KEYS "
    "MAIL_ANSWERS_PER_SENDER MAIL_ANSWERS_PER_HOUR MAIL_NOTICES_PER_HOUR MAIL_FLIPS_PER_HOUR "
    "MAIL_IN_IMAP_URL MAIL_IN_LISTEN PAGES DATABASE_POOL DATABASE_OWNER_URL ANCHORS_DIR SAT_CERTIFICATES_DIR"
).split()

OUTSIDE = dict(os.environ)  # what the shell said, for a check of the developer's own database

if ROOT not in os.environ:
    os.environ[ROOT] = tempfile.mkdtemp(prefix="factureya-tests-")
    atexit.register(shutil.rmtree, os.environ[ROOT], ignore_errors=True)
VAR_DIR = Path(tempfile.mkdtemp(dir=os.environ[ROOT]))
(VAR_DIR / "static").mkdir()  # whitenoise warns about a missing folder, and a warning is an error here

for name in OURS:  # what a developer's shell says about the program is not meant for its tests
    os.environ.pop(name, None)
os.environ.update(
    ENV_FILE="",
    VAR_DIR=str(VAR_DIR),
    SECRET_KEY="tests-only-secret-key-" + "x" * 40,
    DEBUG="off",
    HTTPS="off",
    STAFF_MFA_REQUIRED="off",
    SITE_URL="http://testserver",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    CELERY_BROKER_URL="memory://",
    CACHE_URL="locmemcache://",
    DJANGO_ALLOW_ASYNC_UNSAFE="true",
)
os.environ.setdefault("DATABASE_URL", f"sqlite:///{VAR_DIR}/tests.sqlite3")
