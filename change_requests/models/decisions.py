"""Store decisions with the exact content they are about, questions on the way, and waivers (M21, M24, M25)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Index, OneToOneField, Q, UniqueConstraint
from django.db.models.functions import Length, Trim
from django.db.models.lookups import GreaterThanOrEqual

from accounts.models import RoleAssignment, User
from change_requests.models.assets import InformationAsset
from change_requests.models.requests import FormalRequest
from factureya.core import clock


class Decision(models.Model):
    """Store the approval or refusal of one version by one person; append-only, one per person and version.

    (request, revision_no, requester, sha256) is a key into RequestRevision, so a decision names content that exists.
    """

    class Office(models.TextChoices):
        OWNER = "owner", "Propietario de la Información"
        SECURITY = "security", "Responsable de Seguridad Informática"

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Aprobada"
        REJECT = "reject", "Rechazada"

    request = ForeignKey(FormalRequest, PROTECT, related_name="decisions", verbose_name="solicitud")
    revision_no = models.PositiveIntegerField("versión")
    requester = ForeignKey(User, PROTECT, related_name="+", verbose_name="solicitante")
    sha256 = models.CharField("SHA-256 del contenido", max_length=64)
    office = models.CharField("cargo", max_length=10, choices=Office)
    decider = ForeignKey(User, PROTECT, related_name="+", verbose_name="decidió")
    decider_name = models.CharField("nombre de quien decidió", max_length=150)
    assignment = ForeignKey(RoleAssignment, PROTECT, related_name="+", verbose_name="asignación del cargo")
    verdict = models.CharField("decisión", max_length=10, choices=Verdict)
    reason = models.TextField("motivo")
    decided_at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "decisión"
        verbose_name_plural = "decisiones"
        constraints = [
            UniqueConstraint(
                name="one_decision_per_person",
                fields=["request", "revision_no", "decider"],
                violation_error_message="Esa persona ya decidió sobre esta versión.",
            ),
            CheckConstraint(
                name="decision_not_by_requester",
                condition=~Q(decider=F("requester")),
                violation_error_message="Quien la pide no la decide.",
            ),
            CheckConstraint(name="decision_office_is_known", condition=Q(office__in=["owner", "security"])),
            CheckConstraint(name="verdict_is_known", condition=Q(verdict__in=["approve", "reject"])),
            CheckConstraint(
                name="decision_has_reason",
                condition=GreaterThanOrEqual(Length(Trim("reason")), 10),
                violation_error_message="Escriba el motivo (al menos 10 caracteres).",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request_id} v{self.revision_no}: {self.get_verdict_display()}"

    @property
    def is_approval(self) -> bool:
        return self.verdict == self.Verdict.APPROVE


class DecisionSlot(models.Model):
    """Store a needed approval that a decision gives: security's, or the owner's for one asset. Append-only.

    It can only be voided, once, when its decider no longer holds the office; then somebody else can give it.
    """

    decision = ForeignKey(Decision, PROTECT, related_name="slots", verbose_name="decisión")
    request = ForeignKey(FormalRequest, PROTECT, related_name="slots", verbose_name="solicitud")
    revision_no = models.PositiveIntegerField("versión")
    office = models.CharField("cargo", max_length=10, choices=Decision.Office)
    asset = ForeignKey(InformationAsset, PROTECT, null=True, blank=True, related_name="+", verbose_name="activo")
    voided_at = models.DateTimeField("anulada", null=True, blank=True)

    class Meta:
        verbose_name = "aprobación requerida"
        verbose_name_plural = "aprobaciones requeridas"
        constraints = [
            UniqueConstraint(
                name="one_decision_per_asset",
                fields=["request", "revision_no", "asset"],
                condition=Q(office="owner", voided_at__isnull=True),
                violation_error_message="Ya se decidió sobre ese activo.",
            ),
            UniqueConstraint(
                name="one_decision_of_security",
                fields=["request", "revision_no"],
                condition=Q(office="security", voided_at__isnull=True),
                violation_error_message="Seguridad ya decidió sobre esta versión.",
            ),
            CheckConstraint(
                name="owner_slot_has_asset",
                condition=Q(office="owner", asset__isnull=False) | Q(office="security", asset__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request_id} v{self.revision_no}: {self.get_office_display()}"


class Clarification(models.Model):
    """Store a question of mesa de control or an officer, or its answer (*aclaración*); append-only.

    It leaves the content as it is; an answer that brings evidence is an edit.
    """

    request = ForeignKey(FormalRequest, PROTECT, related_name="clarifications", verbose_name="solicitud")
    # Empty in a question.
    answers = OneToOneField("self", PROTECT, null=True, blank=True, related_name="answer", verbose_name="responde a")
    author = ForeignKey(User, PROTECT, related_name="+", verbose_name="autor")
    author_name = models.CharField("nombre del autor", max_length=150)
    body = models.TextField("mensaje")
    at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "aclaración"
        verbose_name_plural = "aclaraciones"

    def __str__(self) -> str:
        return f"aclaración {self.pk}"

    @property
    def is_question(self) -> bool:
        """Return True for a question, False for an answer."""
        return self.answers_id is None


class Waiver(models.Model):
    """Store why somebody without the office, or of Development, executes a request, and the extra controls (M25).

    The security officer grants it; somebody else checks it by `check_due`. It is written once and checked once.
    """

    request = ForeignKey(FormalRequest, PROTECT, related_name="waivers", verbose_name="solicitud")
    implementer = ForeignKey(User, PROTECT, related_name="+", verbose_name="implementador")
    reason = models.TextField("motivo")
    controls = models.TextField("controles adicionales")
    approved_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="aprobó")
    approved_at = models.DateTimeField("aprobada", default=clock.now)
    checker = ForeignKey(User, PROTECT, related_name="+", verbose_name="revisa")
    # Empty until the execution: one business day after it.
    check_due = models.DateTimeField("revisión antes de", null=True, blank=True)
    checked_at = models.DateTimeField("revisada", null=True, blank=True)
    findings = models.TextField("hallazgos", blank=True)
    conform = models.BooleanField("conforme", null=True, blank=True)

    class Meta:
        verbose_name = "dispensa de segregación"
        verbose_name_plural = "dispensas de segregación"
        constraints = [
            CheckConstraint(
                name="waiver_not_approved_by_implementer",
                condition=~Q(approved_by=F("implementer")),
                violation_error_message="Nadie se dispensa a sí mismo.",
            ),
            CheckConstraint(
                name="waiver_not_checked_by_implementer",
                condition=~Q(checker=F("implementer")),
                violation_error_message="Quien implementa no se revisa a sí mismo.",
            ),
            CheckConstraint(
                name="waiver_has_reason",
                condition=GreaterThanOrEqual(Length(Trim("reason")), 50),
                violation_error_message="Escriba el motivo (al menos 50 caracteres).",
            ),
            CheckConstraint(
                name="waiver_has_controls",
                condition=GreaterThanOrEqual(Length(Trim("controls")), 10),
                violation_error_message="Escriba los controles adicionales (al menos 10 caracteres).",
            ),
            CheckConstraint(
                name="waiver_checked_whole",
                condition=Q(checked_at__isnull=True, conform__isnull=True, findings="")
                | Q(checked_at__isnull=False, conform__isnull=False) & ~Q(findings=""),
            ),
        ]
        indexes = [Index(name="waiver_to_check", fields=["check_due"], condition=Q(checked_at__isnull=True))]

    def __str__(self) -> str:
        return f"dispensa de {self.request_id}"
