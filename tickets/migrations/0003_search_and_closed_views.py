"""Closed tickets filtered by category or agent, and words of the subject (PostgreSQL; SQLite reads them with LIKE)."""

from typing import Any

from django.db import migrations, models

from tickets import guards


def index_words(_apps: Any, schema_editor: Any) -> None:
    """The expression is the one of `tickets.sql.words_match`; another one would not use the index."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX search_words ON tickets_ticket USING gin (to_tsvector('simple', search_words))"
        )


def drop_index_of_words(_apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX search_words")


class Migration(migrations.Migration):
    dependencies = [("tickets", "0002_guards")]

    operations = [
        migrations.RunPython(guards.lift, guards.install),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                name="queue_closed_category", fields=["provider", "category", "-queue_at", "-id"],
                condition=models.Q(status="closed"),
            ),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                name="queue_closed_agent", fields=["assignee", "-queue_at", "-id"], condition=models.Q(status="closed")
            ),
        ),
        migrations.RunPython(index_words, drop_index_of_words),
        migrations.RunPython(guards.install, guards.lift),
    ]  # fmt: skip
