"""Store what was done inside an emergency, and the review of it, event by event (M26, M27)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, ForeignKey, Index, OneToOneField, Q, UniqueConstraint

from accounts.models import User
from change_requests.emergency.models.grants import EmergencyGrant
from factureya.core import clock
from factureya.core.models import Event


class ActivityRecord(models.Model):
    """Store one act inside an emergency: the intent before it, or its outcome after it; append-only (M26).

    `fields` holds no password and no half. The event of the grant's chain holds `sha256`, the hash of this row.
    """

    class Kind(models.TextChoices):
        INTENT = "intent", "Intención"
        OUTCOME = "outcome", "Resultado"
        SYSTEM = "system", "Sistema"

    grant = ForeignKey(EmergencyGrant, PROTECT, related_name="records", verbose_name="emergencia")
    seq = models.PositiveIntegerField("número")
    kind = models.CharField("clase", max_length=7, choices=Kind)
    # An outcome names its intent.
    pairs = OneToOneField("self", PROTECT, null=True, blank=True, related_name="outcome", verbose_name="intención")
    event = OneToOneField(Event, PROTECT, related_name="+", verbose_name="evento")
    account_user = ForeignKey(User, PROTECT, related_name="+", verbose_name="cuenta")
    operator = ForeignKey(User, PROTECT, related_name="+", verbose_name="quién")
    verb = models.CharField("acción", max_length=100)
    method = models.CharField("método", max_length=10, blank=True)
    path = models.CharField("ruta", max_length=300, blank=True)  # without the values of the query
    object_text = models.CharField("objeto", max_length=200, blank=True)
    fields = models.JSONField("datos enviados", default=dict, blank=True)
    body_sha256 = models.CharField("SHA-256 del cuerpo", max_length=64, blank=True)
    status = models.PositiveSmallIntegerField("respuesta", null=True, blank=True)
    client = models.CharField("desde", max_length=300, blank=True)
    ms = models.PositiveIntegerField("milisegundos", null=True, blank=True)
    request_id = models.CharField("petición", max_length=64, blank=True)
    at = models.DateTimeField("cuándo", default=clock.now)
    sha256 = models.CharField("SHA-256", max_length=64)

    class Meta:
        verbose_name = "acto de una emergencia"
        verbose_name_plural = "actos de emergencias"
        constraints = [
            UniqueConstraint(name="one_record_per_number", fields=["grant", "seq"]),
            CheckConstraint(name="record_kind_is_known", condition=Q(kind__in=["intent", "outcome", "system"])),
            CheckConstraint(
                name="outcome_names_its_intent",
                condition=Q(kind="outcome", pairs__isnull=False) | (~Q(kind="outcome") & Q(pairs__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.grant_id} #{self.seq} {self.verb}"


class RowDifference(models.Model):
    """Store that a row of a table changed inside an emergency; triggers write it, append-only (M26)."""

    grant = ForeignKey(EmergencyGrant, PROTECT, related_name="differences", verbose_name="emergencia")
    table_name = models.CharField("tabla", max_length=80)
    row_pk = models.CharField("clave", max_length=80)
    old = models.JSONField("antes", null=True, blank=True)
    new = models.JSONField("después", null=True, blank=True)
    at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "diferencia de una fila"
        verbose_name_plural = "diferencias de filas"
        indexes = [Index(name="difference_of_grant", fields=["grant", "id"])]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_pk}"


class ActivityVerdict(models.Model):
    """Store what the reviewer says of one act of an emergency; append-only (M27)."""

    class Verdict(models.TextChoices):
        CONFORM = "conform", "Conforme"
        OBSERVED = "observed", "Observado"

    record = OneToOneField(ActivityRecord, PROTECT, related_name="verdict", verbose_name="acto")
    reviewer = ForeignKey(User, PROTECT, related_name="+", verbose_name="revisó")
    reviewer_name = models.CharField("nombre de quien revisó", max_length=150)
    verdict = models.CharField("veredicto", max_length=8, choices=Verdict)
    note = models.TextField("nota", blank=True)
    at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "veredicto sobre un acto"
        verbose_name_plural = "veredictos sobre actos"
        constraints = [
            CheckConstraint(
                name="observed_act_has_note",
                condition=Q(verdict="conform") | (Q(verdict="observed") & ~Q(note="")),
                violation_error_message="Escriba qué se observó.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.record_id}: {self.get_verdict_display()}"


class GrantReview(models.Model):
    """Store the review of an emergency: due when it ends, signed once over the head of its chain (M27)."""

    grant = OneToOneField(EmergencyGrant, PROTECT, related_name="review", verbose_name="emergencia")
    opened_at = models.DateTimeField("abierta", default=clock.now)
    due_at = models.DateTimeField("antes de")
    reminded_at = models.DateTimeField("recordada", null=True, blank=True)  # once, when it is overdue
    reviewer = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="revisó")
    reviewer_name = models.CharField("nombre de quien revisó", max_length=150, blank=True)
    signed_at = models.DateTimeField("firmada", null=True, blank=True)
    head_seq = models.PositiveIntegerField("último evento", null=True, blank=True)
    head_hash = models.CharField("hash del último evento", max_length=64, blank=True)
    findings = models.TextField("hallazgos", blank=True)
    conform = models.BooleanField("conforme", null=True, blank=True)

    class Meta:
        verbose_name = "revisión de una emergencia"
        verbose_name_plural = "revisiones de emergencias"
        constraints = [
            CheckConstraint(
                name="review_signed_whole",
                condition=Q(
                    signed_at__isnull=True,
                    reviewer__isnull=True,
                    reviewer_name="",
                    head_seq__isnull=True,
                    head_hash="",
                    findings="",
                    conform__isnull=True,
                )
                | Q(signed_at__isnull=False, reviewer__isnull=False, head_seq__isnull=False, conform__isnull=False)
                & ~Q(head_hash="")
                & ~Q(findings=""),
            )
        ]
        indexes = [Index(name="review_due", fields=["due_at"], condition=Q(signed_at__isnull=True))]

    def __str__(self) -> str:
        return f"revisión de {self.grant_id}"
