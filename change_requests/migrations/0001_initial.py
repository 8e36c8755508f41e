"""Formal requests: revisions, decisions, executions (manual 02, 04)."""

import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import factureya.core.clock


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0005_representatives"),
        ("core", "0010_attempted_at"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FormalRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("folio", models.CharField(max_length=12, unique=True, verbose_name="folio")),
                (
                    "form",
                    models.CharField(
                        choices=[
                            ("access", "Solicitud de Control de Acceso"),
                            ("change", "Solicitud de Baja o Cambio de Información Sensible"),
                        ],
                        max_length=10,
                        verbose_name="solicitud",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("alta", "Alta"),
                            ("baja", "Baja"),
                            ("clave", "Cambio de clave"),
                            ("change", "Cambio"),
                        ],
                        max_length=10,
                        verbose_name="movimiento",
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[("portal", "Portal"), ("email", "Correo")],
                        default="portal",
                        max_length=10,
                        verbose_name="canal",
                    ),
                ),
                (
                    "form_key",
                    models.CharField(
                        blank=True,
                        max_length=80,
                        null=True,
                        unique=True,
                        verbose_name="clave del formulario",
                    ),
                ),
                ("draft", models.JSONField(blank=True, default=dict, verbose_name="borrador")),
                ("revision_no", models.PositiveIntegerField(default=0, verbose_name="versión")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Borrador"),
                            ("submitted", "Enviada"),
                            ("verifying", "En verificación"),
                            ("in_approval", "En aprobación"),
                            ("approved", "Aprobada"),
                            ("executed", "Implementada"),
                            ("closed", "Cerrada"),
                            ("returned", "Devuelta"),
                            ("rejected", "Rechazada"),
                            ("cancelled", "Cancelada"),
                            ("expired", "Vencida"),
                            ("failed", "Fallida"),
                            ("reverted", "Revertida"),
                        ],
                        default="draft",
                        max_length=12,
                        verbose_name="estado",
                    ),
                ),
                (
                    "turn_since",
                    models.DateTimeField(blank=True, null=True, verbose_name="turno desde"),
                ),
                ("due_at", models.DateTimeField(blank=True, null=True, verbose_name="vence")),
                (
                    "due_minutes_left",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="minutos hábiles restantes"
                    ),
                ),
                (
                    "reminded",
                    models.PositiveSmallIntegerField(default=0, verbose_name="recordatorios"),
                ),
                (
                    "suspended_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="suspendida («no fui yo»)"
                    ),
                ),
                (
                    "outcome_reason",
                    models.CharField(
                        blank=True, max_length=1000, verbose_name="motivo del resultado"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=factureya.core.clock.now, verbose_name="creada"),
                ),
                (
                    "submitted_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="enviada"),
                ),
                (
                    "confirmed_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="confirmada desde el correo registrado"
                    ),
                ),
                (
                    "new_mail_code",
                    models.CharField(blank=True, max_length=128, verbose_name="hash del código"),
                ),
                (
                    "new_mail_sent_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="código enviado"),
                ),
                (
                    "new_mail_tries",
                    models.PositiveSmallIntegerField(default=0, verbose_name="intentos del código"),
                ),
                (
                    "new_mail_revision",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="versión con el correo nuevo comprobado"
                    ),
                ),
                (
                    "verified_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="verificada"),
                ),
                (
                    "designated_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="designado"),
                ),
                (
                    "approved_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="aprobada"),
                ),
                (
                    "execute_after",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="se ejecuta a partir de"
                    ),
                ),
                (
                    "execute_before",
                    models.DateTimeField(blank=True, null=True, verbose_name="se ejecuta antes de"),
                ),
                (
                    "executed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="ejecutada"),
                ),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="cerrada")),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="formal_requests",
                        to="accounts.customer",
                        verbose_name="empresa",
                    ),
                ),
                (
                    "designated_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="designó",
                    ),
                ),
                (
                    "implementer",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="implementador",
                    ),
                ),
                (
                    "representative",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.representative",
                        verbose_name="en su carácter de",
                    ),
                ),
                (
                    "requester",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="formal_requests",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="solicitante",
                    ),
                ),
                (
                    "revert_of",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reverts",
                        to="change_requests.formalrequest",
                        verbose_name="revierte",
                    ),
                ),
                (
                    "verified_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="verificó",
                    ),
                ),
            ],
            options={
                "verbose_name": "solicitud formal",
                "verbose_name_plural": "solicitudes formales",
            },
        ),
        migrations.CreateModel(
            name="Evidence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
                (
                    "revision_no",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="desde la versión"
                    ),
                ),
                (
                    "dropped_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="retirada"),
                ),
                (
                    "attachment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.attachment",
                        verbose_name="archivo",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence",
                        to="change_requests.formalrequest",
                        verbose_name="solicitud",
                    ),
                ),
            ],
            options={
                "verbose_name": "evidencia",
                "verbose_name_plural": "evidencias",
            },
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision_no", models.PositiveIntegerField(verbose_name="versión")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256 del contenido")),
                (
                    "office",
                    models.CharField(
                        choices=[
                            ("owner", "Propietario de la Información"),
                            ("security", "Responsable de Seguridad Informática"),
                        ],
                        max_length=10,
                        verbose_name="cargo",
                    ),
                ),
                (
                    "decider_name",
                    models.CharField(max_length=150, verbose_name="nombre de quien decidió"),
                ),
                (
                    "verdict",
                    models.CharField(
                        choices=[("approve", "Aprobada"), ("reject", "Rechazada")],
                        max_length=10,
                        verbose_name="decisión",
                    ),
                ),
                ("reason", models.TextField(verbose_name="motivo")),
                (
                    "decided_at",
                    models.DateTimeField(default=factureya.core.clock.now, verbose_name="cuándo"),
                ),
                (
                    "assignment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.roleassignment",
                        verbose_name="asignación del cargo",
                    ),
                ),
                (
                    "decider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="decidió",
                    ),
                ),
                (
                    "requester",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="solicitante",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to="change_requests.formalrequest",
                        verbose_name="solicitud",
                    ),
                ),
            ],
            options={
                "verbose_name": "decisión",
                "verbose_name_plural": "decisiones",
            },
        ),
        migrations.CreateModel(
            name="Clarification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("author_name", models.CharField(max_length=150, verbose_name="nombre del autor")),
                ("body", models.TextField(verbose_name="mensaje")),
                (
                    "at",
                    models.DateTimeField(default=factureya.core.clock.now, verbose_name="cuándo"),
                ),
                (
                    "answers",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="answer",
                        to="change_requests.clarification",
                        verbose_name="responde a",
                    ),
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
                        related_name="clarifications",
                        to="change_requests.formalrequest",
                        verbose_name="solicitud",
                    ),
                ),
            ],
            options={
                "verbose_name": "aclaración",
                "verbose_name_plural": "aclaraciones",
            },
        ),
        migrations.CreateModel(
            name="InformationAsset",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=20, unique=True, verbose_name="clave")),
                ("name", models.CharField(max_length=80, verbose_name="nombre")),
                ("fields", models.JSONField(default=list, verbose_name="campos")),
                (
                    "alternate_from",
                    models.DateTimeField(blank=True, null=True, verbose_name="suple desde"),
                ),
                (
                    "alternate_until",
                    models.DateTimeField(blank=True, null=True, verbose_name="suple hasta"),
                ),
                (
                    "alternate",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="suplente",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="owned_assets",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="propietario",
                    ),
                ),
            ],
            options={
                "verbose_name": "activo de información",
                "verbose_name_plural": "activos de información",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="DecisionSlot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision_no", models.PositiveIntegerField(verbose_name="versión")),
                (
                    "office",
                    models.CharField(
                        choices=[
                            ("owner", "Propietario de la Información"),
                            ("security", "Responsable de Seguridad Informática"),
                        ],
                        max_length=10,
                        verbose_name="cargo",
                    ),
                ),
                ("voided_at", models.DateTimeField(blank=True, null=True, verbose_name="anulada")),
                (
                    "decision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="slots",
                        to="change_requests.decision",
                        verbose_name="decisión",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="slots",
                        to="change_requests.formalrequest",
                        verbose_name="solicitud",
                    ),
                ),
                (
                    "asset",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="change_requests.informationasset",
                        verbose_name="activo",
                    ),
                ),
            ],
            options={
                "verbose_name": "aprobación requerida",
                "verbose_name_plural": "aprobaciones requeridas",
            },
        ),
        migrations.CreateModel(
            name="RequestedAsset",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subject", models.CharField(blank=True, max_length=254, verbose_name="persona")),
                ("open", models.BooleanField(default=True, verbose_name="abierta")),
                (
                    "asset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="change_requests.informationasset",
                        verbose_name="activo",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.customer",
                        verbose_name="empresa",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="requested_assets",
                        to="change_requests.formalrequest",
                        verbose_name="solicitud",
                    ),
                ),
            ],
            options={
                "verbose_name": "activo solicitado",
                "verbose_name_plural": "activos solicitados",
            },
        ),
        migrations.CreateModel(
            name="RequestRevision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("no", models.PositiveIntegerField(verbose_name="versión")),
                ("payload", models.TextField(verbose_name="contenido")),
                ("reason", models.TextField(verbose_name="motivo")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256 del contenido")),
                (
                    "created_at",
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
                        related_name="revisions",
                        to="change_requests.formalrequest",
                        verbose_name="solicitud",
                    ),
                ),
                (
                    "requester",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="solicitante",
                    ),
                ),
            ],
            options={
                "verbose_name": "versión de una solicitud",
                "verbose_name_plural": "versiones de solicitudes",
            },
        ),
        migrations.CreateModel(
            name="Waiver",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.TextField(verbose_name="motivo")),
                ("controls", models.TextField(verbose_name="controles adicionales")),
                (
                    "approved_at",
                    models.DateTimeField(default=factureya.core.clock.now, verbose_name="aprobada"),
                ),
                (
                    "check_due",
                    models.DateTimeField(blank=True, null=True, verbose_name="revisión antes de"),
                ),
                (
                    "checked_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="revisada"),
                ),
                ("findings", models.TextField(blank=True, verbose_name="hallazgos")),
                ("conform", models.BooleanField(blank=True, null=True, verbose_name="conforme")),
                (
                    "approved_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="aprobó",
                    ),
                ),
                (
                    "checker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="revisa",
                    ),
                ),
                (
                    "implementer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="implementador",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="waivers",
                        to="change_requests.formalrequest",
                        verbose_name="solicitud",
                    ),
                ),
            ],
            options={
                "verbose_name": "dispensa de segregación",
                "verbose_name_plural": "dispensas de segregación",
            },
        ),
        migrations.AddField(
            model_name="formalrequest",
            name="waiver",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="change_requests.waiver",
                verbose_name="dispensa",
            ),
        ),
        migrations.CreateModel(
            name="ExecutionContext",
            fields=[
                ("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="change_requests.formalrequest",
                    ),
                ),
            ],
            options={
                "verbose_name": "ejecución en curso",
                "verbose_name_plural": "ejecuciones en curso",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="one_execution_at_a_time"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Execution",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision_no", models.PositiveIntegerField(verbose_name="versión")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256 del contenido")),
                (
                    "executor_name",
                    models.CharField(max_length=150, verbose_name="nombre de quien implementó"),
                ),
                ("before", models.JSONField(default=dict, verbose_name="antes")),
                ("after", models.JSONField(default=dict, verbose_name="después")),
                (
                    "result",
                    models.CharField(
                        choices=[("ok", "Aplicada"), ("drift", "El valor anterior había cambiado")],
                        max_length=5,
                        verbose_name="resultado",
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(default=factureya.core.clock.now, verbose_name="cuándo"),
                ),
                (
                    "executor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="implementó",
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="executions",
                        to="change_requests.formalrequest",
                        verbose_name="solicitud",
                    ),
                ),
            ],
            options={
                "verbose_name": "ejecución",
                "verbose_name_plural": "ejecuciones",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("result", "ok")),
                        fields=("request",),
                        name="executed_once",
                        violation_error_message="Ya se ejecutó.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("result__in", ["ok", "drift"])),
                        name="execution_result_is_known",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.UniqueConstraint(
                fields=("request", "revision_no", "decider"),
                name="one_decision_per_person",
                violation_error_message="Esa persona ya decidió sobre esta versión.",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("decider", models.F("requester")), _negated=True),
                name="decision_not_by_requester",
                violation_error_message="Quien la pide no la decide.",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("office__in", ["owner", "security"])),
                name="decision_office_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict__in", ["approve", "reject"])), name="verdict_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThanOrEqual(
                    django.db.models.functions.text.Length(
                        django.db.models.functions.text.Trim("reason")
                    ),
                    10,
                ),
                name="decision_has_reason",
                violation_error_message="Escriba el motivo (al menos 10 caracteres).",
            ),
        ),
        migrations.AddConstraint(
            model_name="informationasset",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("alternate__isnull", True),
                    models.Q(
                        ("owner__isnull", False),
                        models.Q(("alternate", models.F("owner")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="alternate_is_another",
                violation_error_message="El suplente es otra persona que el propietario.",
            ),
        ),
        migrations.AddConstraint(
            model_name="informationasset",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("alternate__isnull", True),
                        ("alternate_from__isnull", True),
                        ("alternate_until__isnull", True),
                    ),
                    models.Q(
                        ("alternate__isnull", False),
                        ("alternate_from__isnull", False),
                        ("alternate_until__gt", models.F("alternate_from")),
                        ("alternate_until__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="alternate_has_dates",
                violation_error_message="Indique desde y hasta cuándo suple.",
            ),
        ),
        migrations.AddConstraint(
            model_name="decisionslot",
            constraint=models.UniqueConstraint(
                condition=models.Q(("office", "owner"), ("voided_at__isnull", True)),
                fields=("request", "revision_no", "asset"),
                name="one_decision_per_asset",
                violation_error_message="Ya se decidió sobre ese activo.",
            ),
        ),
        migrations.AddConstraint(
            model_name="decisionslot",
            constraint=models.UniqueConstraint(
                condition=models.Q(("office", "security"), ("voided_at__isnull", True)),
                fields=("request", "revision_no"),
                name="one_decision_of_security",
                violation_error_message="Seguridad ya decidió sobre esta versión.",
            ),
        ),
        migrations.AddConstraint(
            model_name="decisionslot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("asset__isnull", False), ("office", "owner")),
                    models.Q(("asset__isnull", True), ("office", "security")),
                    _connector="OR",
                ),
                name="owner_slot_has_asset",
            ),
        ),
        migrations.AddConstraint(
            model_name="requestedasset",
            constraint=models.UniqueConstraint(
                condition=models.Q(("open", True)),
                fields=("customer", "asset", "subject"),
                name="one_open_request_per_asset",
                violation_error_message="Ya hay una solicitud abierta sobre esos datos.",
            ),
        ),
        migrations.AddConstraint(
            model_name="requestedasset",
            constraint=models.UniqueConstraint(
                fields=("request", "asset"), name="asset_once_per_request"
            ),
        ),
        migrations.AddConstraint(
            model_name="requestrevision",
            constraint=models.UniqueConstraint(
                fields=("request", "no"), name="one_revision_per_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="requestrevision",
            constraint=models.UniqueConstraint(
                fields=("request", "no", "requester", "sha256"), name="revision_as_decided"
            ),
        ),
        migrations.AddConstraint(
            model_name="requestrevision",
            constraint=models.CheckConstraint(
                condition=models.Q(("no__gte", 1)), name="revisions_count_from_one"
            ),
        ),
        migrations.AddIndex(
            model_name="waiver",
            index=models.Index(
                condition=models.Q(("checked_at__isnull", True)),
                fields=["check_due"],
                name="waiver_to_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="waiver",
            constraint=models.CheckConstraint(
                condition=models.Q(("approved_by", models.F("implementer")), _negated=True),
                name="waiver_not_approved_by_implementer",
                violation_error_message="Nadie se dispensa a sí mismo.",
            ),
        ),
        migrations.AddConstraint(
            model_name="waiver",
            constraint=models.CheckConstraint(
                condition=models.Q(("checker", models.F("implementer")), _negated=True),
                name="waiver_not_checked_by_implementer",
                violation_error_message="Quien implementa no se revisa a sí mismo.",
            ),
        ),
        migrations.AddConstraint(
            model_name="waiver",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThanOrEqual(
                    django.db.models.functions.text.Length(
                        django.db.models.functions.text.Trim("reason")
                    ),
                    50,
                ),
                name="waiver_has_reason",
                violation_error_message="Escriba el motivo (al menos 50 caracteres).",
            ),
        ),
        migrations.AddConstraint(
            model_name="waiver",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThanOrEqual(
                    django.db.models.functions.text.Length(
                        django.db.models.functions.text.Trim("controls")
                    ),
                    10,
                ),
                name="waiver_has_controls",
                violation_error_message="Escriba los controles adicionales (al menos 10 caracteres).",
            ),
        ),
        migrations.AddConstraint(
            model_name="waiver",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("checked_at__isnull", True), ("conform__isnull", True), ("findings", "")
                    ),
                    models.Q(
                        ("checked_at__isnull", False),
                        ("conform__isnull", False),
                        models.Q(("findings", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="waiver_checked_whole",
            ),
        ),
        migrations.AddIndex(
            model_name="formalrequest",
            index=models.Index(fields=["customer", "-id"], name="request_of_customer"),
        ),
        migrations.AddIndex(
            model_name="formalrequest",
            index=models.Index(
                condition=models.Q(("status__in", ["verifying", "in_approval", "approved"])),
                fields=["status", "due_at", "id"],
                name="request_inbox",
            ),
        ),
        migrations.AddIndex(
            model_name="formalrequest",
            index=models.Index(
                condition=models.Q(
                    (
                        "status__in",
                        ["submitted", "verifying", "in_approval", "approved", "returned"],
                    )
                ),
                fields=["due_at", "id"],
                name="request_due",
            ),
        ),
        migrations.AddIndex(
            model_name="formalrequest",
            index=models.Index(
                condition=models.Q(("status", "approved")),
                fields=["implementer", "due_at"],
                name="request_of_implementer",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("form", "access"), ("kind__in", ["alta", "baja", "clave"])),
                    models.Q(("form", "change"), ("kind__in", ["baja", "change"])),
                    _connector="OR",
                ),
                name="request_form_has_its_kinds",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "draft",
                            "submitted",
                            "verifying",
                            "in_approval",
                            "approved",
                            "executed",
                            "closed",
                            "returned",
                            "rejected",
                            "cancelled",
                            "expired",
                            "failed",
                            "reverted",
                        ],
                    )
                ),
                name="request_status_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("channel__in", ["portal", "email"])),
                name="request_channel_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["draft", "cancelled", "expired"]),
                    models.Q(("revision_no__gte", 1), ("submitted_at__isnull", False)),
                    _connector="OR",
                ),
                name="submitted_request_has_revision",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        (
                            "status__in",
                            [
                                "verifying",
                                "in_approval",
                                "approved",
                                "executed",
                                "closed",
                                "failed",
                                "reverted",
                            ],
                        ),
                        _negated=True,
                    ),
                    ("confirmed_at__isnull", False),
                    _connector="OR",
                ),
                name="verifying_request_was_confirmed",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        (
                            "status__in",
                            ["in_approval", "approved", "executed", "closed", "failed", "reverted"],
                        ),
                        _negated=True,
                    ),
                    models.Q(("verified_at__isnull", False), ("verified_by__isnull", False)),
                    _connector="OR",
                ),
                name="request_in_approval_was_verified",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("status__in", ["approved", "executed", "closed", "failed", "reverted"]),
                        _negated=True,
                    ),
                    models.Q(
                        ("approved_at__isnull", False),
                        ("execute_after__gte", models.F("approved_at")),
                        ("execute_after__isnull", False),
                        ("execute_before__gt", models.F("execute_after")),
                        ("execute_before__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="approved_request_has_instants",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("executed_at__isnull", False),
                        ("status__in", ["executed", "closed", "reverted"]),
                    ),
                    models.Q(
                        models.Q(("status__in", ["executed", "closed", "reverted"]), _negated=True),
                        ("executed_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="executed_request_has_instant",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("executed_at__isnull", True),
                    models.Q(
                        ("executed_at__gte", models.F("execute_after")),
                        ("executed_at__lt", models.F("execute_before")),
                        ("implementer__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="request_executed_inside_its_window",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "closed"), _negated=True),
                    ("closed_at__isnull", False),
                    _connector="OR",
                ),
                name="closed_request_has_instant",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("implementer__isnull", True),
                    models.Q(("implementer", models.F("requester")), _negated=True),
                    _connector="OR",
                ),
                name="implementer_is_not_requester",
                violation_error_message="Quien la pide no la implementa.",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("designated_at__isnull", True),
                        ("designated_by__isnull", True),
                        ("implementer__isnull", True),
                    ),
                    models.Q(
                        ("designated_at__isnull", False),
                        ("designated_by__isnull", False),
                        ("implementer__isnull", False),
                        models.Q(("designated_by", models.F("implementer")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="implementer_was_designated_by_another",
                violation_error_message="Nadie se designa a sí mismo.",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("verified_by__isnull", True),
                    models.Q(("verified_by", models.F("requester")), _negated=True),
                    _connector="OR",
                ),
                name="verifier_is_not_requester",
            ),
        ),
        migrations.AddConstraint(
            model_name="formalrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("revert_of", models.F("id")), _negated=True),
                name="request_does_not_revert_itself",
            ),
        ),
    ]
