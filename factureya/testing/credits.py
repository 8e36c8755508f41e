"""Help the tests of the companies' credits: enter some, upload a file, apply it (M28)."""

from datetime import date
from typing import Any

from accounts import operations
from accounts.credits import tasks
from accounts.models import CreditBalance, CreditImport, Customer, User
from accounts.operations.credits import name_version

HEADER = "RFC,Paquete,Créditos,Quedan,Vence\n"
PACKAGE = {"package": "PAC-200", "total": 200, "remaining": 34, "valid_until": date(2036, 12, 31)}


def enter(customer: Customer, actor: User, **values: Any) -> CreditBalance:
    """Enter 34 of 200 credits of a company, or other `values`, and return the balance."""
    seen = name_version(CreditBalance.objects.filter(customer=customer).first())
    operations.set_credits(customer.pk, actor=actor, seen=seen, **{**PACKAGE, **values})
    return CreditBalance.objects.get(customer=customer)


def upload(actor: User, text: str | bytes, key: str = "k1", name: str = "creditos.csv") -> CreditImport:
    """Upload a file, check it as the task does, and return the import."""
    content = text if isinstance(text, bytes) else text.encode()
    found = operations.upload_credits(actor=actor, name=name, content=content, form_key=key)
    tasks.check_import(found.pk)
    found.refresh_from_db()
    return found


def apply(actor: User, found: CreditImport) -> CreditImport:
    """Confirm an import, apply it as the task does, and return it."""
    operations.confirm_import(found.pk, actor=actor)
    tasks.apply_import(found.pk)
    found.refresh_from_db()
    return found


def bad_rows(found: CreditImport) -> dict[int, str]:
    """Return what is wrong with each bad row of an import, by its line."""
    return dict(found.rows.filter(kind="bad").values_list("line", "problem"))
