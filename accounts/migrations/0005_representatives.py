"""Representatives are rows of their own, and the service of a company has a status (M1, M8)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import factureya.core.clock


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_mail_bounced"),
        ("core", "0010_attempted_at"),
    ]

    operations = [
        migrations.CreateModel(
            name="Representative",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=150, verbose_name="nombre")),
                ("rfc", models.CharField(blank=True, max_length=13, verbose_name="RFC")),
                ("email", models.EmailField(max_length=254, verbose_name="correo")),
                (
                    "power_kind",
                    models.CharField(
                        choices=[
                            ("legal_representative", "Representante legal"),
                            ("attorney", "Apoderado"),
                        ],
                        default="legal_representative",
                        max_length=20,
                        verbose_name="carácter",
                    ),
                ),
                (
                    "instrument",
                    models.CharField(blank=True, max_length=200, verbose_name="instrumento"),
                ),
                ("valid_from", models.DateField(verbose_name="poderes desde")),
                (
                    "valid_until",
                    models.DateField(blank=True, null=True, verbose_name="poderes hasta"),
                ),
                (
                    "verified_at",
                    models.DateTimeField(
                        default=factureya.core.clock.now, verbose_name="comprobado"
                    ),
                ),
                (
                    "revoked_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="revocado"),
                ),
            ],
            options={
                "verbose_name": "representante",
                "verbose_name_plural": "representantes",
            },
        ),
        migrations.AddField(
            model_name="customer",
            name="status",
            field=models.CharField(
                choices=[("active", "Activo"), ("suspended", "Suspendido")],
                default="active",
                max_length=10,
                verbose_name="estado del servicio",
            ),
        ),
        migrations.AddField(
            model_name="customer",
            name="suspended_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="suspendido desde"),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "active"), ("suspended_at__isnull", True)),
                    models.Q(("status", "suspended"), ("suspended_at__isnull", False)),
                    _connector="OR",
                ),
                name="suspended_company_has_its_instant",
            ),
        ),
        migrations.AddField(
            model_name="representative",
            name="customer",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="representatives",
                to="accounts.customer",
                verbose_name="empresa",
            ),
        ),
        migrations.AddField(
            model_name="representative",
            name="document",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="core.attachment",
                verbose_name="documento",
            ),
        ),
        migrations.AddField(
            model_name="representative",
            name="revoked_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="revocó",
            ),
        ),
        migrations.AddField(
            model_name="representative",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="representations",
                to=settings.AUTH_USER_MODEL,
                verbose_name="persona",
            ),
        ),
        migrations.AddField(
            model_name="representative",
            name="verified_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="comprobó",
            ),
        ),
        migrations.AddConstraint(
            model_name="representative",
            constraint=models.UniqueConstraint(
                condition=models.Q(("revoked_at__isnull", True), ("user__isnull", False)),
                fields=("customer", "user"),
                name="one_open_representation",
                violation_error_message="Esa persona ya representa a la empresa.",
            ),
        ),
        migrations.AddConstraint(
            model_name="representative",
            constraint=models.UniqueConstraint(
                condition=models.Q(("revoked_at__isnull", True)),
                fields=("customer", "email"),
                name="one_open_representation_by_mail",
                violation_error_message="Esa persona ya representa a la empresa.",
            ),
        ),
        migrations.AddConstraint(
            model_name="representative",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("valid_until__isnull", True),
                    ("valid_until__gte", models.F("valid_from")),
                    _connector="OR",
                ),
                name="powers_end_after_they_begin",
                violation_error_message="El poder termina antes de empezar.",
            ),
        ),
        migrations.AddConstraint(
            model_name="representative",
            constraint=models.CheckConstraint(
                condition=models.Q(("power_kind__in", ["legal_representative", "attorney"])),
                name="power_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="representative",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("revoked_at__isnull", True), ("revoked_by__isnull", True)),
                    models.Q(("revoked_at__isnull", False), ("revoked_by__isnull", False)),
                    _connector="OR",
                ),
                name="revoked_representative_names_who",
            ),
        ),
        migrations.AddConstraint(
            model_name="representative",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("name__contains", "|"), _negated=True),
                    models.Q(("instrument__contains", "|"), _negated=True),
                    models.Q(("email__contains", "|"), _negated=True),
                ),
                name="representative_has_no_bars",
            ),
        ),
    ]
