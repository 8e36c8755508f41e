"""Mail that comes in is kept (M5, M6), and a mail of ours is found again by its Message-ID."""

from django.db import migrations, models

import factureya.core.clock
from factureya.core import guards, outbox


def name_mails(apps, schema_editor):
    """Give the mails on file the Message-ID they were, or will be, sent with."""
    message = apps.get_model("core", "OutboxMessage")
    for mail in message.objects.only("key").iterator():
        message.objects.filter(pk=mail.pk).update(
            message_id=outbox.message_id(mail.key).strip("<>")
        )


class Migration(migrations.Migration):
    dependencies = [("core", "0005_mails_by_address")]

    operations = [
        migrations.RunPython(guards.lift, guards.install),
        # Nullable and with a partial index, so that SQLite need not rebuild a table that tickets' triggers read.
        migrations.AddField(
            model_name="outboxmessage",
            name="message_id",
            field=models.CharField(
                editable=False, max_length=120, null=True, verbose_name="Message-ID"
            ),
        ),
        migrations.RunPython(name_mails, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="outboxmessage",
            constraint=models.UniqueConstraint(
                condition=models.Q(("message_id__isnull", False)),
                fields=("message_id",),
                name="one_mail_per_message_id",
            ),
        ),
        migrations.CreateModel(
            name="MailFolder",
            fields=[
                ("name", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("uid_validity", models.BigIntegerField()),
                ("last_uid", models.BigIntegerField(default=0)),
                ("read_until", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="InboundMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("raw", models.BinaryField(verbose_name="original")),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("pipe", "Comando"),
                            ("smtp", "Servidor de correo"),
                            ("imap", "Buzón"),
                        ],
                        max_length=10,
                        verbose_name="llegó por",
                    ),
                ),
                ("received_at", models.DateTimeField(verbose_name="recibido")),
                (
                    "kept_at",
                    models.DateTimeField(default=factureya.core.clock.now, verbose_name="guardado"),
                ),
                (
                    "message_id",
                    models.CharField(blank=True, max_length=400, verbose_name="Message-ID"),
                ),
                (
                    "digest",
                    models.CharField(
                        max_length=64, verbose_name="SHA-256 sin encabezados de tránsito"
                    ),
                ),
                (
                    "recipients",
                    models.JSONField(
                        blank=True, default=list, verbose_name="destinatarios del sobre"
                    ),
                ),
                ("sender", models.CharField(blank=True, max_length=254, verbose_name="de")),
                ("subject", models.CharField(blank=True, max_length=300, verbose_name="asunto")),
                (
                    "disposition",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("accept-new", "Ticket nuevo"),
                            ("accept-reply", "Respuesta"),
                            ("accept-request", "Solicitud"),
                            ("ignore-auto", "Respuesta automática"),
                            ("ignore-bounce", "Aviso de no entregado"),
                            ("ignore-duplicate", "Repetido"),
                            ("reject-unregistered", "Remitente sin comprobar"),
                            ("reject-malformed", "Ilegible"),
                        ],
                        max_length=20,
                        verbose_name="destino",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=40, verbose_name="motivo")),
                (
                    "about",
                    models.CharField(
                        blank=True, db_index=True, max_length=80, verbose_name="sobre"
                    ),
                ),
                (
                    "disposed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="atendido"),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="intentos")),
                (
                    "resolution",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("linked", "Agregado a un ticket"),
                            ("opened", "Abrió un ticket"),
                            ("discarded", "Descartado"),
                        ],
                        max_length=10,
                        verbose_name="resolución",
                    ),
                ),
                (
                    "resolved_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="resuelto"),
                ),
            ],
            options={
                "verbose_name": "correo recibido",
                "verbose_name_plural": "correos recibidos",
                "indexes": [
                    models.Index(
                        condition=models.Q(("disposition", "")),
                        fields=["kept_at"],
                        name="inbound_undisposed",
                    ),
                    models.Index(
                        condition=models.Q(
                            (
                                "disposition__in",
                                [
                                    "reject-unregistered",
                                    "reject-malformed",
                                    "ignore-auto",
                                    "ignore-bounce",
                                ],
                            ),
                            ("resolution", ""),
                        ),
                        fields=["-id"],
                        name="inbound_tray",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("message_id", "digest"), name="one_entry_per_message_and_digest"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("disposed_at__isnull", True), ("disposition", ""))
                        | models.Q(
                            models.Q(("disposition", ""), _negated=True),
                            ("disposed_at__isnull", False),
                        ),
                        name="disposed_mail_has_its_instant",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("resolution", ""), ("resolved_at__isnull", True))
                        | models.Q(
                            models.Q(("resolution", ""), _negated=True),
                            ("resolved_at__isnull", False),
                        ),
                        name="resolved_mail_has_its_instant",
                    ),
                ],
            },
        ),
        migrations.RunPython(guards.install, guards.lift),
    ]
