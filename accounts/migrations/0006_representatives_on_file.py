"""The representatives of companies already verified get their row, and registered data one form (NFC) (M8)."""

import unicodedata

from django.db import migrations
from django.utils import timezone

TEXTS = ("legal_name", "fiscal_address", "phone", "registered_email")


def write_representatives(apps, schema_editor):
    """One row for each representative contact, by whoever verified the company then."""
    Contact = apps.get_model("accounts", "Contact")
    Representative = apps.get_model("accounts", "Representative")
    known = Contact.objects.filter(role="representative", customer__verified_at__isnull=False)
    for contact in known.select_related("user", "customer").iterator():
        Representative.objects.create(
            customer=contact.customer,
            user=contact.user,
            name=contact.user.full_name.replace("|", " "),
            email=contact.user.email,
            valid_from=timezone.localdate(contact.customer.verified_at),
            verified_by_id=contact.customer.verified_by_id,
            verified_at=contact.customer.verified_at,
        )


def compose_texts(apps, schema_editor):
    """What a request says is in NFC; a value on file in another form would never be equal to it."""
    Customer = apps.get_model("accounts", "Customer")
    for customer in Customer.objects.only(*TEXTS).iterator():
        composed = {name: unicodedata.normalize("NFC", getattr(customer, name)) for name in TEXTS}
        if composed != {name: getattr(customer, name) for name in TEXTS}:
            Customer.objects.filter(pk=customer.pk).update(**composed)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_representatives")]

    operations = [
        migrations.RunPython(compose_texts, migrations.RunPython.noop),
        migrations.RunPython(write_representatives, migrations.RunPython.noop),
    ]
