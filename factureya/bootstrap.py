"""Write `.env` if there is none, as the first step of `make run`: `python factureya/bootstrap.py PORT`.

It uses the standard library only. A `.env` that exists stays as it is, except that a SITE_URL of this machine gets
PORT, because the links in mails are made from it.
"""

import os
import re
import secrets
import sys
from pathlib import Path

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"
OWN_SITE_URL = re.compile(r"^SITE_URL=http://(localhost|127\.0\.0\.1):\d+$", re.MULTILINE)
TEMPLATE = """\
# Written by `make run` for a demo on this machine; .env.example explains every variable.
SECRET_KEY={secret_key}
FACTOR_KEYS={factor_key}
DEBUG=off
HTTPS=off
STAFF_MFA_REQUIRED=off
MAIL_IN_REQUIRE_VERDICT=off
ALLOWED_HOSTS=localhost,127.0.0.1
SITE_URL=http://localhost:{port}
DEMO=on
"""


def main(port: int) -> None:
    """Write a `.env` with new keys, which only this user can read; if there is one, only set the port of SITE_URL."""
    if ENV_FILE.exists():
        text = ENV_FILE.read_text()
        changed_text = OWN_SITE_URL.sub(rf"SITE_URL=http://\1:{port}", text)  # another host stays
        if changed_text != text:
            ENV_FILE.write_text(changed_text)
        return
    # urlsafe characters: nothing that a reader of .env files would take for a quote or a variable
    text = TEMPLATE.format(secret_key=secrets.token_urlsafe(50), factor_key=secrets.token_urlsafe(50), port=port)
    with os.fdopen(os.open(ENV_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    print(f"wrote {ENV_FILE.name} with a new SECRET_KEY")


if __name__ == "__main__":
    main(int(sys.argv[1]))
