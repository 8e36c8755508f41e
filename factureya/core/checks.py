"""Check the folders of a server for `manage.py check --deploy`, and the addresses outside this portal."""

import os
import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.staticfiles, deploy=True)
def check_static_files(**_options: Any) -> list[CheckMessage]:
    """Return a warning if the web process cannot read the static files: not collected, or by another user."""
    folder = Path(settings.STATIC_ROOT)
    if not folder.is_dir():
        problem = f"{folder} is missing."
    elif not os.access(folder, os.R_OK | os.X_OK) or _is_closed_to_the_service(folder):
        problem = f"{folder} cannot be read by the service."
    else:
        return []
    hint = "Run `manage.py collectstatic --noinput` as the user of the service (docs/operations.md)."
    return [Warning(problem, hint=hint, id="core.W001")]


@register(Tags.urls)
def check_outside_addresses(**_options: Any) -> list[CheckMessage]:
    """Return an error for each address outside this portal that a browser would not open safely."""
    names = ("FACTUREYA_SYSTEM_URL", "FREE_APP_URL")
    hint = "Write a whole address that begins with https://, or leave it empty."
    return [
        Error(f"{name} is no https address.", hint=hint, id="core.E001")
        for name in names
        if (url := getattr(settings, name)) and not url.startswith("https://")
    ]


def _is_closed_to_the_service(folder: Path) -> bool:
    """Return True if others cannot enter the folder and its owner is not the service's user, who owns VAR_DIR.

    A check of access alone does not find this when root runs it, because root may read every folder.
    """
    status = folder.stat()
    return status.st_uid != Path(settings.VAR_DIR).stat().st_uid and not status.st_mode & stat.S_IXOTH
