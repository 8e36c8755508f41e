"""Enter the demo's credits: one company's by hand, the others' from a CSV file (M28)."""

from datetime import datetime, timedelta

from django.utils import timezone

from accounts import operations
from accounts.models import Customer, User
from accounts.operations import credit_rows
from factureya.core import clock

PACKAGES = (("PAC-1000 v3.1", 1000, 12), ("PAC-500 v3.2", 500, 310), ("PAC-200 v3.2", 200, 150))


def seed(people: dict[str, User], now: datetime) -> None:
    """Let Laura, the supervisor, enter the few credits of Ana's company, and import those of other companies.

    One other verified company gets each of PACKAGES. `seed_demo` calls this.
    """
    laura = User.objects.get(pk=people["laura"].pk)
    ocaso = people["ana"].contact.customer
    last_day = timezone.localdate(now) + timedelta(days=31)
    with clock.at(now - timedelta(days=4)):
        # `seen` is what the page showed: no credits yet.
        operations.set_credits(
            ocaso.pk, actor=laura, seen="", package="PAC-200 v3.2", total=200, remaining=34, valid_until=last_day
        )
    others = Customer.objects.filter(verified_at__isnull=False, is_drill=False).exclude(pk=ocaso.pk).order_by("pk")
    rows = [
        f"{customer.rfc},{package},{total},{remaining},{last_day + timedelta(days=63)}\n"
        for customer, (package, total, remaining) in zip(others, PACKAGES, strict=False)
    ]
    content = (",".join(credit_rows.COLUMNS) + "\n" + "".join(rows)).encode()
    with clock.at(now - timedelta(days=1)):
        upload = operations.upload_credits(actor=laura, name="creditos.csv", content=content, form_key="demo-credits")
        operations.check_import(upload.pk)
        operations.confirm_import(upload.pk, actor=laura)
        operations.apply_import(upload.pk)
