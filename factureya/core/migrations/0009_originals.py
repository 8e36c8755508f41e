"""The bytes of a mail move to a table of their own: no update of a mail writes 25 MB again (M6)."""

import django.db.models.deletion
from django.db import migrations, models

from factureya.core import guards

COPY = "INSERT INTO core_inboundoriginal (message_id, raw) SELECT id, raw FROM core_inboundmessage"


class Migration(migrations.Migration):
    dependencies = [("core", "0008_tray")]

    operations = [
        migrations.RunPython(guards.lift, guards.install),
        migrations.CreateModel(
            name="InboundOriginal",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="original",
                        serialize=False,
                        to="core.inboundmessage",
                        verbose_name="correo",
                    ),
                ),
                ("raw", models.BinaryField(verbose_name="original")),
            ],
            options={
                "verbose_name": "original de un correo",
                "verbose_name_plural": "originales de correos",
            },
        ),
        migrations.RunSQL(
            COPY, migrations.RunSQL.noop
        ),  # the way back loses what came: there is none
        migrations.RemoveField(model_name="inboundmessage", name="raw"),
        migrations.RunPython(guards.install, guards.lift),
    ]
