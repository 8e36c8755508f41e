"""The information assets, whose owners a superuser names (manual 04 b)."""

from django.db import migrations

ASSETS = (
    ("identity", "Identidad fiscal", ["rfc", "legal_name"]),
    ("location", "Domicilio y teléfono", ["fiscal_address", "phone"]),
    ("registered_email", "Correo registrado", ["registered_email"]),
    ("representative", "Representante legal", ["representative"]),
    ("service", "Estado del servicio", ["status"]),
    (
        "access",
        "Acceso de personas",
        ["full_name", "email", "phone", "position", "contact", "password"],
    ),
)


def create_assets(apps, schema_editor):
    """Insert them, without owner."""
    InformationAsset = apps.get_model("change_requests", "InformationAsset")
    for code, name, fields in ASSETS:
        InformationAsset.objects.get_or_create(code=code, defaults={"name": name, "fields": fields})


class Migration(migrations.Migration):
    dependencies = [("change_requests", "0002_decision_pins_its_revision")]

    operations = [migrations.RunPython(create_assets, migrations.RunPython.noop)]
