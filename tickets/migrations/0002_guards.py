"""The ticket's life is guarded by triggers on both engines (M12, M15, M16)."""

from django.db import migrations

from tickets import guards


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0001_initial"),
        ("core", "0002_guards"),
        ("accounts", "0002_own_provider"),
    ]

    operations = [migrations.RunPython(guards.install, guards.lift)]
