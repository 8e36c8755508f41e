"""Mail becomes messages; a silence-close can be held, and voided by a mail received in time (M6, M15)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from tickets import guards


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_mail_bounced"),
        ("core", "0007_bounced"),
        ("tickets", "0007_sweeps_read_the_index_alone"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(guards.lift, guards.install),
        migrations.CreateModel(
            name="MailQuota",
            fields=[
                ("name", models.CharField(max_length=300, primary_key=True, serialize=False)),
                ("since", models.DateTimeField()),
                ("count", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="message",
            name="inbound",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="entry",
                to="core.inboundmessage",
                verbose_name="correo del que viene",
            ),
        ),
        migrations.AddField(
            model_name="ticket",
            name="close_held_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="cierre detenido"),
        ),
        migrations.AddField(
            model_name="ticket",
            name="close_held_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("bounce", "Un correo al cliente no se entregó"),
                    ("flips", "El cliente escribió muchas veces en una hora"),
                ],
                max_length=10,
                null=True,
                verbose_name="por qué se detuvo",
            ),
        ),
        migrations.AddField(
            model_name="ticket",
            name="voided_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="core.inboundmessage",
                verbose_name="cierre anulado por",
            ),
        ),
        migrations.AlterField(
            model_name="ticket",
            name="category",
            field=models.CharField(
                choices=[
                    ("stamping", "Timbrado de CFDI"),
                    ("cancellation", "Cancelación"),
                    ("access", "Acceso al sistema"),
                    ("credits", "Créditos y paquetes"),
                    ("sales", "Ventas"),
                    ("requests", "Solicitudes"),
                    ("other", "Otro tema del servicio"),
                ],
                max_length=20,
                verbose_name="categoría",
            ),
        ),
        migrations.AddConstraint(
            model_name="ticket",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("close_held_at__isnull", True), ("close_held_reason__isnull", True)),
                    models.Q(
                        ("close_held_at__isnull", False),
                        ("close_held_reason__in", ["bounce", "flips"]),
                        ("close_held_reason__isnull", False),
                        ("status", "waiting"),
                    ),
                    _connector="OR",
                ),
                name="only_a_wait_is_held",
            ),
        ),
        # A held close is not due: the sweeps still read their indexes alone.
        migrations.RemoveIndex(model_name="ticket", name="sweep_close"),
        migrations.RemoveIndex(model_name="ticket", name="sweep_warn"),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("close_held_at__isnull", True), ("status", "waiting")),
                fields=["closes_at", "reminder", "id"],
                name="sweep_close",
            ),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(
                    ("close_held_at__isnull", True),
                    ("reminder__isnull", True),
                    ("status", "waiting"),
                ),
                fields=["closes_at", "id"],
                name="sweep_warn",
            ),
        ),
        migrations.RunPython(guards.install, guards.lift),
    ]
