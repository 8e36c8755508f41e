"""TRUNCATE passes PostgreSQL's row triggers, so tickets and their messages get a guard against it (M12, M16)."""

from django.db import migrations

from tickets import guards


class Migration(migrations.Migration):
    dependencies = [("tickets", "0005_agents_views_by_provider")]

    operations = [migrations.RunPython(guards.install, migrations.RunPython.noop)]
