"""«No fui yo» after the execution waits for an officer (M8); the words of a form's mail are kept (M20)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import factureya.core.clock
from change_requests import guards

_ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_representatives_on_file"),
        ("change_requests", "0003_guards"),
        ("core", "0010_attempted_at"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(guards.lift, guards.install),
        migrations.AddField(
            model_name="formalrequest",
            name="alarmed_at",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="aviso «no fui yo» por revisar"
            ),
        ),
        migrations.AddIndex(
            model_name="formalrequest",
            index=models.Index(
                condition=models.Q(("alarmed_at__isnull", False)),
                fields=["alarmed_at"],
                name="request_alarmed",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("alarmed_at__isnull", True), ("executed_at__isnull", False), _connector="OR"
                ),
                name="request_alarm_follows_its_execution",
            ),
        ),
        migrations.CreateModel(
            name="MailText",
            fields=[
                ("id", _ID),
                ("author_name", models.CharField(max_length=150, verbose_name="nombre del autor")),
                ("body", models.TextField(blank=True, verbose_name="mensaje")),
                (
                    "at",
                    models.DateTimeField(default=factureya.core.clock.now, verbose_name="cuándo"),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="autor",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mail_texts",
                        to="change_requests.formalrequest",
                        verbose_name="solicitud",
                    ),
                ),
            ],
            options={
                "verbose_name": "texto de un correo",
                "verbose_name_plural": "textos de correos",
            },
        ),
        migrations.CreateModel(
            name="MailTextFile",
            fields=[
                ("id", _ID),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
                (
                    "attachment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.attachment",
                        verbose_name="archivo",
                    ),
                ),
                (
                    "text",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="files",
                        to="change_requests.mailtext",
                        verbose_name="texto",
                    ),
                ),
            ],
            options={
                "verbose_name": "archivo de un correo",
                "verbose_name_plural": "archivos de correos",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("text", "attachment"), name="mail_file_once_per_text"
                    )
                ],
            },
        ),
        # Whoever checks a waiver took no part in its request (M25).
        migrations.RunPython(guards.install, guards.lift),
    ]
