"""What a mail said is stored when it is disposed of, and what makes two deliveries one mail (M6, M16)."""

import django.db.models.deletion
from django.db import migrations, models

from factureya.core import guards


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0011_mailbox_taken_over"),
    ]

    operations = [
        migrations.RunPython(guards.lift, guards.install),
        migrations.CreateModel(
            name="InboundReading",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="reading",
                        serialize=False,
                        to="core.inboundmessage",
                        verbose_name="correo",
                    ),
                ),
                ("subject", models.TextField(blank=True, verbose_name="asunto")),
                ("senders", models.JSONField(default=list, verbose_name="remitentes")),
                (
                    "recipients",
                    models.JSONField(default=list, verbose_name="destinatarios que dice"),
                ),
                ("date", models.DateTimeField(null=True, verbose_name="fecha que dice")),
                ("verdict", models.CharField(max_length=4, verbose_name="comprobación")),
                ("text", models.TextField(verbose_name="texto")),
                ("new_text", models.TextField(blank=True, verbose_name="texto nuevo")),
                (
                    "was_cut",
                    models.BooleanField(default=False, verbose_name="se recortó lo citado"),
                ),
                (
                    "is_id_reused",
                    models.BooleanField(
                        default=False, verbose_name="otro correo tuvo el mismo Message-ID"
                    ),
                ),
                ("files", models.JSONField(default=list, verbose_name="archivos")),
            ],
            options={
                "verbose_name": "lectura de un correo",
                "verbose_name_plural": "lecturas de correos",
            },
        ),
        migrations.CreateModel(
            name="InboundCopy",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="copy",
                        serialize=False,
                        to="core.inboundmessage",
                        verbose_name="correo",
                    ),
                ),
                ("raw", models.BinaryField(verbose_name="copia")),
            ],
            options={
                "verbose_name": "copia de un correo",
                "verbose_name_plural": "copias de correos",
            },
        ),
        migrations.AddField(
            model_name="inboundmessage",
            name="content",
            field=models.CharField(
                editable=False, max_length=64, null=True, verbose_name="SHA-256 de lo que dice"
            ),
        ),
        migrations.RunPython(guards.install, guards.lift),
    ]
