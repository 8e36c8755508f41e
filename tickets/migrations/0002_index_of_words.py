"""Words of a subject are found by an index on PostgreSQL; SQLite reads them with LIKE."""

from django.db import migrations


def create_index(apps, schema_editor):
    """Create the index on the expression of `tickets.sql.words_match`; with another one it would not be used."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX search_words ON tickets_ticket USING gin (to_tsvector('simple', search_words))"
        )


def drop_index(apps, schema_editor):
    """Drop it."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX search_words")


class Migration(migrations.Migration):
    dependencies = [("tickets", "0001_initial")]

    operations = [migrations.RunPython(create_index, drop_index)]
