"""Requests, companies and representatives are guarded by triggers on both engines (M1, M8, M19, M21, M24, M25)."""

from django.db import migrations

from change_requests import guards


class Migration(migrations.Migration):
    dependencies = [
        ("change_requests", "0002_assets"),
        ("accounts", "0006_representatives_on_file"),
    ]

    operations = [
        migrations.RunPython(guards.pin, guards.unpin),
        migrations.RunPython(guards.install, guards.lift),
    ]
