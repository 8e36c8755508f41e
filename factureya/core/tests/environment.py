"""Loaded by pytest before Django (`-p`): the suite reads no `.env` and touches no `var/`."""

import atexit
import os
import shutil
import tempfile

_var = tempfile.mkdtemp(prefix="factureya-tests-")
atexit.register(shutil.rmtree, _var, ignore_errors=True)
os.environ.update(
    ENV_FILE="", VAR_DIR=_var, SECRET_KEY="tests-only-secret-key-" + "x" * 40, DEBUG="off", HTTPS="off",
    STAFF_MFA_REQUIRED="off", SITE_URL="http://testserver", ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    CELERY_BROKER_URL="memory://", CACHE_URL="locmemcache://", DJANGO_ALLOW_ASYNC_UNSAFE="true",
)  # fmt: skip
os.environ.setdefault("DATABASE_URL", f"sqlite:///{_var}/tests.sqlite3")
