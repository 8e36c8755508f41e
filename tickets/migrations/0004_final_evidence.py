"""A closed ticket keeps the evidence of its wait, and no REPLACE takes another's reminder (M12, M15)."""

from django.db import migrations

from tickets import guards


class Migration(migrations.Migration):
    dependencies = [("tickets", "0003_search_and_closed_views")]

    operations = [migrations.RunPython(guards.install, guards.lift)]
