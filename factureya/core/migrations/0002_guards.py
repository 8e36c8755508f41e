"""Events are append-only and chains only grow, by triggers on both engines (M26)."""

from django.db import migrations

from factureya.core import guards


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [migrations.RunPython(guards.install, guards.lift)]
