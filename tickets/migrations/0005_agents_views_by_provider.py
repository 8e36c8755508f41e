"""The agent's own views name the provider too, so that their index is the narrowest one on both engines (M3)."""

from django.db import migrations, models

from tickets import guards

ACTIVE, CLOSED = ~models.Q(status="closed"), models.Q(status="closed")
REPLIED = models.Q(status="open", customer_replied=True)


def index(name: str, order: list[str], condition: models.Q) -> migrations.AddIndex:
    """The index under its name, with the provider first."""
    fields = ["provider", "assignee", *order]
    return migrations.AddIndex(
        model_name="ticket", index=models.Index(name=name, fields=fields, condition=condition)
    )


class Migration(migrations.Migration):
    dependencies = [("tickets", "0004_final_evidence")]

    operations = [
        migrations.RunPython(guards.lift, guards.install),
        *(
            migrations.RemoveIndex(model_name="ticket", name=name)
            for name in ("queue_mine", "queue_replied", "queue_closed_agent")
        ),
        index("queue_mine", ["queue_at", "id"], ACTIVE),
        index("queue_replied", ["queue_at", "id"], REPLIED),
        index("queue_closed_agent", ["-queue_at", "-id"], CLOSED),
        migrations.RunPython(guards.install, guards.lift),
    ]
