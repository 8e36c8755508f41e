"""Factureya itself is the provider of every ticket until a supervisor says otherwise (M3)."""

from django.db import migrations


def create_own_provider(apps, schema_editor):
    """Insert the one own provider."""
    apps.get_model("accounts", "Provider").objects.get_or_create(is_own=True, defaults={"name": "Factureya"})


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_initial")]

    operations = [migrations.RunPython(create_own_provider, migrations.RunPython.noop)]
