"""Check the folders of a server for `manage.py check --deploy`."""

import os
import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.staticfiles, deploy=True)
def static_files_can_be_read(**_options: Any) -> list[CheckMessage]:
    """Return a warning if the web process cannot read the static files.

    Somebody else ran `collectstatic`, or nobody did. Root can read everything, so for root a folder is wrong if it is
    closed to others and belongs to another user than VAR_DIR does.
    """
    folder = Path(settings.STATIC_ROOT)
    if not folder.is_dir():
        problem = f"{folder} is missing."
    elif not os.access(folder, os.R_OK | os.X_OK) or _is_closed_to_the_service(folder):
        problem = f"{folder} cannot be read by the service."
    else:
        return []
    hint = "Run `manage.py collectstatic --noinput` as the user of the service (docs/operations.md)."
    return [Warning(problem, hint=hint, id="core.W001")]


def _is_closed_to_the_service(folder: Path) -> bool:
    """Return True if the folder is closed to others and belongs to another user than VAR_DIR does."""
    of_folder, of_var = folder.stat(), Path(settings.VAR_DIR).stat()
    return of_folder.st_uid != of_var.st_uid and not of_folder.st_mode & stat.S_IXOTH
