"""The causes for which an emergency may be asked (M23); the security officer adds more, and «otro» does not exist."""

from django.db import migrations

CAUSES = (
    (
        "correo-perdido",
        "Correo registrado perdido",
        "Llamar al teléfono registrado y cotejar identificación y poder con el expediente de la empresa.",
    ),
    (
        "datos-corruptos",
        "Datos fiscales corruptos en producción",
        "Comparar el dato guardado con el último acuse y con la constancia de situación fiscal.",
    ),
    (
        "acceso-bloqueado",
        "Acceso bloqueado a cliente crítico",
        "Comprobar que el cliente no puede timbrar y que ningún representante suyo puede entrar.",
    ),
    (
        "falla-de-aprobadores",
        "Falla de aprobadores",
        "Dejar constancia de las llamadas a los titulares y a sus suplentes, sin respuesta.",
    ),
    (
        "orden-de-autoridad",
        "Orden de autoridad",
        "Adjuntar el oficio al ticket y cotejar su número con la autoridad que lo firma.",
    ),
)


def create_causes(apps, schema_editor):
    """Insert them, kept by nobody yet."""
    EmergencyCause = apps.get_model("change_requests", "EmergencyCause")
    for code, title, procedure in CAUSES:
        EmergencyCause.objects.get_or_create(code=code, defaults={"title": title, "procedure": procedure})


class Migration(migrations.Migration):
    dependencies = [("change_requests", "0003_assets")]

    operations = [migrations.RunPython(create_causes, migrations.RunPython.noop)]
