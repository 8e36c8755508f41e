"""A decision is keyed to the revision, its requester and its content's hash (M21); on SQLite a trigger holds it."""

from django.db import migrations

PIN = """ALTER TABLE change_requests_decision ADD CONSTRAINT decision_pins_its_revision
    FOREIGN KEY (request_id, revision_no, requester_id, sha256)
    REFERENCES change_requests_requestrevision (request_id, no, requester_id, sha256)"""
UNPIN = "ALTER TABLE change_requests_decision DROP CONSTRAINT IF EXISTS decision_pins_its_revision"


def pin(apps, schema_editor):
    """Add the composite foreign key, which Django's models cannot say."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(PIN, params=None)


def unpin(apps, schema_editor):
    """Drop it."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(UNPIN, params=None)


class Migration(migrations.Migration):
    dependencies = [("change_requests", "0001_initial")]

    operations = [migrations.RunPython(pin, unpin)]
