"""The categories that tickets have had so far, and the first explanations of what is out of scope (M4, M9)."""

from django.db import migrations

from factureya.core import clock

CATEGORIES = [
    ("stamping", "Timbrado de CFDI", "support", True),
    ("cancellation", "Cancelación", "support", True),
    ("access", "Acceso al sistema", "support", True),
    ("credits", "Créditos y paquetes", "support", True),
    ("sales", "Ventas", "sales", True),
    ("requests", "Solicitudes", "support", False),
    ("other", "Otro tema del servicio", "support", True),
]
EXPLANATIONS = {
    "internet": "Revisamos su caso y la falla está en la conexión a internet, que no es parte del servicio de Factureya. "
    "La resuelve su proveedor de internet: llámele y dígale desde cuándo ocurre y en qué equipos.\n\n"
    "Si con otra conexión, por ejemplo la de un celular, el problema sigue, respóndanos y continuamos.",
    "equipment": "Revisamos su caso y la falla está en su equipo de cómputo o en su configuración, que no es parte del "
    "servicio de Factureya. La resuelve su personal técnico.\n\n"
    "Si en otro equipo el problema sigue, respóndanos y continuamos.",
}


def insert_rows(apps, schema_editor):
    """Insert the categories and explanations that are not there, and put the tickets of sales into their team."""
    instant = clock.now()
    TicketCategory = apps.get_model("tickets", "TicketCategory")
    for position, (slug, label, team, is_for_customers) in enumerate(CATEGORIES, 1):
        values = {"label": label, "team": team, "position": position, "is_for_customers": is_for_customers}
        TicketCategory.objects.get_or_create(slug=slug, defaults=values | {"added_at": instant})
    ScopeExplanation = apps.get_model("tickets", "ScopeExplanation")
    for scope, text in EXPLANATIONS.items():
        ScopeExplanation.objects.get_or_create(scope=scope, ended_at=None, defaults={"text": text, "added_at": instant})
    apps.get_model("tickets", "Ticket").objects.filter(category="sales").update(team="sales")


class Migration(migrations.Migration):
    dependencies = [("tickets", "0002_index_of_words")]

    operations = [migrations.RunPython(insert_rows, migrations.RunPython.noop)]
