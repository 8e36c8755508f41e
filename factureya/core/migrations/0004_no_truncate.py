"""TRUNCATE passes PostgreSQL's row triggers, so events and chains get a guard against it (M26)."""

from django.db import migrations

from factureya.core import guards


class Migration(migrations.Migration):
    dependencies = [("core", "0003_statutory_holidays")]

    operations = [migrations.RunPython(guards.install, migrations.RunPython.noop)]
