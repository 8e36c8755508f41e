"""Mexico's statutory holidays of 2024–2040, as rows the company can edit (M2)."""

import holidays
from django.db import migrations


def insert_holidays(apps, schema_editor):
    """Insert the holidays; days already on file stay."""
    Holiday = apps.get_model("core", "Holiday")
    statutory = holidays.country_holidays("MX", years=range(2024, 2041), language="es")
    rows = [Holiday(day=day, name=name[:100]) for day, name in sorted(statutory.items())]
    Holiday.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [migrations.RunPython(insert_holidays, migrations.RunPython.noop)]
