"""The check of `check --deploy --database default` that the people whom the manual asks for are there (M21, M24)."""

from typing import Any

from django.core.checks import Error, Tags, register
from django.db import connections

from change_requests.approvals import find_missing_office
from change_requests.models import ACCESS, InformationAsset


@register(Tags.database, deploy=True)
def check_lawful_people(databases: Any = None, **_options: Any) -> list[Error]:
    """Return an error if too few different people hold the offices to decide and execute any request lawfully."""
    if "default" not in (databases or ()):
        return []  # Django asks for no check of this database
    if InformationAsset._meta.db_table not in connections["default"].introspection.table_names():
        return []  # not migrated yet
    codes = InformationAsset.objects.exclude(code=ACCESS).values_list("code", flat=True)
    missing = find_missing_office(codes)
    if not missing:
        return []
    hint = "Otorgue el cargo en el admin, o nombre al propietario del activo."
    return [
        Error(f"Nobody could lawfully decide and execute a request: {missing}.", hint=hint, id="change_requests.E001")
    ]
