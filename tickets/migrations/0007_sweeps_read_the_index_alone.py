"""The sweeps' indexes hold all that the sweeps read: PostgreSQL guessed that nearly every waiting ticket was due and
scanned the whole table every five minutes (M15)."""

from django.db import migrations, models

from tickets import guards

WAITING = models.Q(status="waiting")
NOT_WARNED = models.Q(status="waiting", reminder__isnull=True)


def index(name: str, fields: list[str], condition: models.Q) -> migrations.AddIndex:
    """The index under its name."""
    return migrations.AddIndex(
        model_name="ticket", index=models.Index(name=name, fields=fields, condition=condition)
    )


class Migration(migrations.Migration):
    dependencies = [("tickets", "0006_no_truncate")]

    operations = [
        migrations.RunPython(guards.lift, guards.install),
        migrations.RemoveIndex(model_name="ticket", name="sweep_close"),
        migrations.RemoveIndex(model_name="ticket", name="sweep_warn"),
        index("sweep_close", ["closes_at", "reminder", "id"], WAITING),
        index("sweep_warn", ["closes_at", "id"], NOT_WARNED),
        migrations.RunPython(guards.install, guards.lift),
    ]
