"""Mexico's statutory holidays of 2024–2040, as rows the company can edit."""

import holidays
from django.db import migrations


def seed(apps, schema_editor):
    """Insert the holidays; days already on file stay."""
    holiday = apps.get_model("core", "Holiday")
    statutory = holidays.country_holidays("MX", years=range(2024, 2041), language="es")
    rows = [holiday(day=day, name=name[:100]) for day, name in sorted(statutory.items())]
    holiday.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("core", "0002_guards")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
