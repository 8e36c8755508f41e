"""Go-live without the people whom the manual asks for is refused: `check --deploy --database default` (M21, M24)."""

from typing import Any

from django.core.checks import Error, Tags, register
from django.db import connections

from change_requests.approvals import missing_office
from change_requests.models import ACCESS, InformationAsset


@register(Tags.database, deploy=True)
def lawful_people(databases: Any = None, **_options: Any) -> list[Error]:
    """Distinct people exist for every asset: supervisor, owner, security officer, implementer out of Development."""
    if "default" not in (databases or ()):
        return []
    if InformationAsset._meta.db_table not in connections["default"].introspection.table_names():
        return []  # before the first migration
    codes = InformationAsset.objects.exclude(code=ACCESS).values_list("code", flat=True)
    missing = missing_office(codes)
    if not missing:
        return []
    hint = "Otorgue el cargo en el admin, o nombre al propietario del activo."
    return [
        Error(
            f"Nobody could lawfully decide and execute a request: {missing}.",
            hint=hint,
            id="change_requests.E001",
        )
    ]
