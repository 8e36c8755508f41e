"""The checks of `check --deploy --database default` that the people whom the manual asks for are there (M21–M24)."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, Tags, Warning, register
from django.db import connections

from change_requests.approvals import find_missing_office
from change_requests.emergency import roles
from change_requests.emergency.models.grants import MAX_MINUTES
from change_requests.models import EmergencyAccount, InformationAsset


@register(Tags.database, deploy=True)
def check_lawful_people(databases: Any = None, **_options: Any) -> list[Error]:
    """Return an error if too few different people hold the offices to decide and execute any request lawfully."""
    if "default" not in (databases or ()):
        return []  # Django asks for no check of this database
    if InformationAsset._meta.db_table not in connections["default"].introspection.table_names():
        return []  # not migrated yet
    missing = find_missing_office(InformationAsset.objects.all())
    if not missing:
        return []
    hint = "Otorgue el cargo en el admin, o nombre al propietario del activo."
    return [
        Error(f"Nobody could lawfully decide and execute a request: {missing}.", hint=hint, id="change_requests.E001")
    ]


@register(Tags.database, deploy=True)
def check_emergency_people(databases: Any = None, **_options: Any) -> list[Warning]:
    """Return a warning that names the missing role if no emergency could be granted lawfully (M22, M23)."""
    if "default" not in (databases or ()):
        return []  # Django asks for no check of this database
    if EmergencyAccount._meta.db_table not in connections["default"].introspection.table_names():
        return []  # not migrated yet
    missing = roles.find_missing_role()
    if not missing:
        return []
    hint = "Hacen falta cinco personas: quien la usa, dos que autorizan y dos custodios. Otorgue el cargo en el admin."
    return [Warning(f"No emergency could be granted lawfully: {missing}.", hint=hint, id="change_requests.W002")]


@register()
def check_emergency_settings(**_options: Any) -> list[Error]:
    """Return an error if a setting allows a longer emergency than the database does (M23)."""
    if 1 <= settings.EMERGENCY_MAX_MINUTES <= MAX_MINUTES:
        return []
    text = f"EMERGENCY_MAX_MINUTES must be between 1 and {MAX_MINUTES}."
    return [Error(text, hint="The manual's limit is four hours; the database refuses more.", id="change_requests.E003")]
