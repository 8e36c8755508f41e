"""Store a formal request and the content asked for, version by version (M7, M8, M19, M20)."""

import json
from typing import Any, TypeAlias

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Index, OneToOneField, Q, UniqueConstraint

from accounts.models import Customer, Proof, Representative, User
from change_requests.models.assets import InformationAsset
from factureya.core import clock, numbers
from factureya.core.models import Attachment, Chained


class RequestStatus(models.TextChoices):
    """Name the steps of a request."""

    DRAFT = "draft", "Borrador"
    SUBMITTED = "submitted", "Enviada"  # waits for the link sent to the registered mail
    VERIFYING = "verifying", "En verificación"
    IN_APPROVAL = "in_approval", "En aprobación"
    APPROVED = "approved", "Aprobada"
    EXECUTED = "executed", "Implementada"
    CLOSED = "closed", "Cerrada"
    RETURNED = "returned", "Devuelta"
    REJECTED = "rejected", "Rechazada"
    CANCELLED = "cancelled", "Cancelada"
    EXPIRED = "expired", "Vencida"
    FAILED = "failed", "Fallida"
    REVERTED = "reverted", "Revertida"


_GIVEN_UP = (RequestStatus.CANCELLED, RequestStatus.EXPIRED)


class FormalRequest(Chained):
    """Store a *Solicitud de Control de Acceso* (access) or *de Baja o Cambio de Información Sensible* (change).

    Its status follows EDGES; `change_requests.guards` holds the edges, and who may take part, in the database too.
    Lock this row first, then its parts, then the customer.
    """

    class Form(models.TextChoices):
        ACCESS = "access", "Solicitud de Control de Acceso"
        CHANGE = "change", "Solicitud de Baja o Cambio de Información Sensible"

    class Kind(models.TextChoices):
        ALTA = "alta", "Alta"
        BAJA = "baja", "Baja"
        CLAVE = "clave", "Cambio de clave"
        CHANGE = "change", "Cambio"

    class Channel(models.TextChoices):
        PORTAL = "portal", "Portal"
        EMAIL = "email", "Correo"

    proof: Proof | None = None  # how the actor of the operation that holds the lock was authenticated; no column
    Status: TypeAlias = RequestStatus
    PREFIXES = {Form.ACCESS: "SA", Form.CHANGE: "SC"}
    # An access request is called otherwise in these two.
    ACCESS_LABELS = {Status.IN_APPROVAL: "Verificada", Status.EXECUTED: "Ejecutada"}
    EDITABLE = (Status.DRAFT, Status.RETURNED)
    WITH_PEOPLE = (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED)
    # `executed` and `closed` only move on, and nothing moves out of the statuses that are missing.
    EDGES = {
        Status.DRAFT: (Status.SUBMITTED, *_GIVEN_UP),
        Status.SUBMITTED: (Status.DRAFT, Status.VERIFYING, Status.RETURNED, *_GIVEN_UP),
        Status.VERIFYING: (Status.DRAFT, Status.IN_APPROVAL, Status.RETURNED, Status.REJECTED, *_GIVEN_UP),
        Status.IN_APPROVAL: (Status.DRAFT, Status.APPROVED, Status.RETURNED, Status.REJECTED, *_GIVEN_UP),
        Status.APPROVED: (Status.IN_APPROVAL, Status.EXECUTED, Status.FAILED, *_GIVEN_UP),
        Status.RETURNED: (Status.DRAFT, Status.SUBMITTED, *_GIVEN_UP),
        Status.FAILED: (Status.DRAFT, Status.APPROVED, *_GIVEN_UP),
        Status.EXECUTED: (Status.CLOSED, Status.REVERTED),
        Status.CLOSED: (Status.REVERTED,),
    }

    folio = models.CharField("folio", max_length=12, unique=True)
    form = models.CharField("solicitud", max_length=10, choices=Form)
    kind = models.CharField("movimiento", max_length=10, choices=Kind)
    customer = ForeignKey(Customer, PROTECT, related_name="formal_requests", verbose_name="empresa")
    requester = ForeignKey(User, PROTECT, related_name="formal_requests", verbose_name="solicitante")
    representative = ForeignKey(Representative, PROTECT, related_name="+", verbose_name="en su carácter de")
    channel = models.CharField("canal", max_length=10, choices=Channel, default=Channel.PORTAL)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)
    draft = models.JSONField("borrador", default=dict, blank=True)
    revision_no = models.PositiveIntegerField("versión", default=0)  # 0 until first submitted

    status = models.CharField("estado", max_length=12, choices=Status, default=Status.DRAFT)
    # Whose turn it is began at `turn_since` and is due at `due_at`; empty when nobody owes anything.
    turn_since = models.DateTimeField("turno desde", null=True, blank=True)
    due_at = models.DateTimeField("vence", null=True, blank=True)
    # While a clarification waits for its answer the deadline stops: the business minutes that were left.
    due_minutes_left = models.PositiveIntegerField("minutos hábiles restantes", null=True, blank=True)
    # Reminders of this turn that went out: 0 none, 1 half, 2 due, 3 overdue.
    reminded = models.PositiveSmallIntegerField("recordatorios", default=0)
    suspended_at = models.DateTimeField("suspendida («no fui yo»)", null=True, blank=True)
    # Who let it go on; `suspended_at` is only emptied together with these.
    resumed_at = models.DateTimeField("reanudada", null=True, blank=True)
    resumed_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="reanudó")
    # «No fui yo» after the execution: since when, until an officer marks it as seen.
    alarmed_at = models.DateTimeField("aviso «no fui yo» por revisar", null=True, blank=True)
    alarm_seen_at = models.DateTimeField("aviso revisado", null=True, blank=True)
    alarm_seen_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="revisó el aviso")
    outcome_reason = models.CharField("motivo del resultado", max_length=1000, blank=True)
    # In approval again because who asked has no powers any more: mesa de control gives it back.
    powers_lapsed_at = models.DateTimeField("poderes vencidos desde", null=True, blank=True)

    created_at = models.DateTimeField("creada", default=clock.now)
    submitted_at = models.DateTimeField("enviada", null=True, blank=True)
    confirmed_at = models.DateTimeField("confirmada desde el correo registrado", null=True, blank=True)
    confirmed_mailbox = models.CharField("correo que la confirmó", max_length=254, blank=True)
    # The code that was mailed to the new registered mail, and the revision for which it was read back.
    new_mail_code = models.CharField("hash del código", max_length=128, blank=True)
    new_mail_sent_at = models.DateTimeField("código enviado", null=True, blank=True)
    new_mail_tries = models.PositiveSmallIntegerField("intentos del código", default=0)
    new_mail_revision = models.PositiveIntegerField("versión con el correo nuevo comprobado", null=True, blank=True)
    verified_at = models.DateTimeField("verificada", null=True, blank=True)
    verified_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="verificó")
    implementer = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="implementador")
    designated_at = models.DateTimeField("designado", null=True, blank=True)
    designated_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="designó")
    waiver = ForeignKey("Waiver", PROTECT, null=True, blank=True, related_name="+", verbose_name="dispensa")
    approved_at = models.DateTimeField("aprobada", null=True, blank=True)
    execute_after = models.DateTimeField("se ejecuta a partir de", null=True, blank=True)
    execute_before = models.DateTimeField("se ejecuta antes de", null=True, blank=True)
    executed_at = models.DateTimeField("ejecutada", null=True, blank=True)
    closed_at = models.DateTimeField("cerrada", null=True, blank=True)
    revert_of = ForeignKey("self", PROTECT, null=True, blank=True, related_name="reverts", verbose_name="revierte")

    class Meta:
        verbose_name = "solicitud formal"
        verbose_name_plural = "solicitudes formales"
        constraints = [
            CheckConstraint(
                name="request_form_has_its_kinds",
                condition=Q(form="access", kind__in=["alta", "baja", "clave"])
                | Q(form="change", kind__in=["baja", "change"]),
            ),
            CheckConstraint(name="request_status_is_known", condition=Q(status__in=RequestStatus.values)),
            CheckConstraint(name="request_channel_is_known", condition=Q(channel__in=["portal", "email"])),
            CheckConstraint(
                name="submitted_request_has_revision",
                condition=Q(status__in=["draft", "cancelled", "expired"])
                | Q(revision_no__gte=1, submitted_at__isnull=False),
            ),
            CheckConstraint(
                name="verifying_request_was_confirmed",
                condition=~Q(
                    status__in=["verifying", "in_approval", "approved", "executed", "closed", "failed", "reverted"]
                )
                | Q(confirmed_at__isnull=False),
            ),
            CheckConstraint(
                name="request_in_approval_was_verified",
                condition=~Q(status__in=["in_approval", "approved", "executed", "closed", "failed", "reverted"])
                | Q(verified_at__isnull=False, verified_by__isnull=False),
            ),
            CheckConstraint(
                name="approved_request_has_instants",
                condition=~Q(status__in=["approved", "executed", "closed", "failed", "reverted"])
                | Q(
                    approved_at__isnull=False,
                    execute_after__isnull=False,
                    execute_before__isnull=False,
                    execute_after__gte=F("approved_at"),
                    execute_before__gt=F("execute_after"),
                ),
            ),
            CheckConstraint(
                name="executed_request_has_instant",
                condition=Q(status__in=["executed", "closed", "reverted"], executed_at__isnull=False)
                | (~Q(status__in=["executed", "closed", "reverted"]) & Q(executed_at__isnull=True)),
            ),
            CheckConstraint(
                name="request_executed_inside_its_window",
                condition=Q(executed_at__isnull=True)
                | Q(
                    implementer__isnull=False, executed_at__gte=F("execute_after"), executed_at__lt=F("execute_before")
                ),
            ),
            CheckConstraint(
                name="closed_request_has_instant", condition=~Q(status="closed") | Q(closed_at__isnull=False)
            ),
            CheckConstraint(
                name="implementer_is_not_requester",
                condition=Q(implementer__isnull=True) | ~Q(implementer=F("requester")),
                violation_error_message="Quien la pide no la implementa.",
            ),
            CheckConstraint(
                name="implementer_was_designated_by_another",
                condition=Q(implementer__isnull=True, designated_at__isnull=True, designated_by__isnull=True)
                | Q(implementer__isnull=False, designated_at__isnull=False, designated_by__isnull=False)
                & ~Q(designated_by=F("implementer")),
                violation_error_message="Nadie se designa a sí mismo.",
            ),
            CheckConstraint(
                name="verifier_is_not_requester", condition=Q(verified_by__isnull=True) | ~Q(verified_by=F("requester"))
            ),
            CheckConstraint(
                name="request_alarm_follows_its_execution",
                condition=Q(alarmed_at__isnull=True) | Q(executed_at__isnull=False),
            ),
            CheckConstraint(name="request_does_not_revert_itself", condition=~Q(revert_of=F("id"))),
        ]
        indexes = [
            Index(name="request_of_customer", fields=["customer", "-id"]),
            Index(
                name="request_inbox",
                fields=["status", "due_at", "id"],
                condition=Q(status__in=["verifying", "in_approval", "approved"]),
            ),
            Index(
                name="request_due",
                fields=["due_at", "id"],
                condition=Q(status__in=["submitted", "verifying", "in_approval", "approved", "returned"]),
            ),
            Index(name="request_alarmed", fields=["alarmed_at"], condition=Q(alarmed_at__isnull=False)),
            Index(name="request_of_implementer", fields=["implementer", "due_at"], condition=Q(status="approved")),
        ]

    def __str__(self) -> str:
        return self.folio

    @property
    def chain(self) -> str:
        return f"request:{self.pk}"

    @property
    def is_access(self) -> bool:
        """Return True for a *Solicitud de Control de Acceso* (M7)."""
        return self.form == self.Form.ACCESS

    @property
    def status_label(self) -> str:
        """Return the request's status in Spanish; an access request has words of its own, such as «Verificada»."""
        label = self.ACCESS_LABELS.get(self.Status(self.status)) if self.is_access else None
        return label or self.Status(self.status).label

    @property
    def is_open(self) -> bool:
        """Return True if the request may still lead to an execution."""
        return self.status in (*self.EDITABLE, *self.WITH_PEOPLE)

    def read_revision(self) -> "RequestRevision":
        """Return the request's current version, the one to decide and execute; later calls do not query again."""
        revision: RequestRevision | None = self.__dict__.get("kept_revision")  # of an earlier call
        if revision is None or revision.no != self.revision_no:
            revision = self.__dict__["kept_revision"] = self.revisions.get(no=self.revision_no)
        return revision

    def keep_revision(self, revision: "RequestRevision") -> None:
        """Let `read_revision` return this version without a query, as soon as it is the current one."""
        self.__dict__["kept_revision"] = revision

    def read_payload(self) -> dict[str, Any]:
        """Return the content of the request's current version, as `payload.build_content` made it."""
        payload: dict[str, Any] = json.loads(self.read_revision().payload)
        return payload

    def find_new_value(self, field: str) -> str:
        """Return the value that the current version asks for in this field; empty when it does not change it."""
        return next((item["new"] for item in self.read_payload()["items"] if item["field"] == field), "")


def read_folio(text: str) -> str:
    """Return the folio, «SC-5R8T-2NW2», that a person typed (M10). Raises InvalidNumber if it cannot be a folio."""
    prefix = text.strip()[:2].upper()
    if prefix not in FormalRequest.PREFIXES.values():
        raise numbers.InvalidNumber(text)
    return numbers.parse_number(prefix, text)


def find_folio(text: str) -> str | None:
    """Return the folio that a person typed, as it is stored, or None if it cannot be that of a formal request."""
    try:
        return read_folio(text)
    except numbers.InvalidNumber:
        return None


class RequestRevision(models.Model):
    """Store one version of a request; it never changes. `payload` is text as `payload.write_canonical` writes it."""

    request = ForeignKey(FormalRequest, PROTECT, related_name="revisions", verbose_name="solicitud")
    no = models.PositiveIntegerField("versión")
    requester = ForeignKey(User, PROTECT, related_name="+", verbose_name="solicitante")
    author = ForeignKey(User, PROTECT, related_name="+", verbose_name="autor")
    payload = models.TextField("contenido")
    reason = models.TextField("motivo")
    sha256 = models.CharField("SHA-256 del contenido", max_length=64)
    # Hours between the approval and the execution, as they were when it was sent; null in versions of before.
    freeze_hours = models.PositiveSmallIntegerField("horas de espera tras aprobarse", null=True, blank=True)
    created_at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "versión de una solicitud"
        verbose_name_plural = "versiones de solicitudes"
        constraints = [
            UniqueConstraint(name="one_revision_per_number", fields=["request", "no"]),
            # What the composite key of a decision points at.
            UniqueConstraint(name="revision_as_decided", fields=["request", "no", "requester", "sha256"]),
            CheckConstraint(name="revisions_count_from_one", condition=Q(no__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.request_id} v{self.no}"


class RequestedAsset(models.Model):
    """Store that a request changes an asset; one open request per customer and asset (M21).

    `subject` is the person's mail in an access request, of whom one request may be open; else it is empty.
    """

    request = ForeignKey(FormalRequest, PROTECT, related_name="requested_assets", verbose_name="solicitud")
    asset = ForeignKey(InformationAsset, PROTECT, related_name="+", verbose_name="activo")
    customer = ForeignKey(Customer, PROTECT, related_name="+", verbose_name="empresa")
    subject = models.CharField("persona", max_length=254, blank=True)
    open = models.BooleanField("abierta", default=True)

    class Meta:
        verbose_name = "activo solicitado"
        verbose_name_plural = "activos solicitados"
        constraints = [
            UniqueConstraint(
                name="one_open_request_per_asset",
                fields=["customer", "asset", "subject"],
                condition=Q(open=True),
                violation_error_message="Ya hay una solicitud abierta sobre esos datos.",
            ),
            UniqueConstraint(name="asset_once_per_request", fields=["request", "asset"]),
        ]

    def __str__(self) -> str:
        return f"{self.request_id}: {self.asset_id}"


class Evidence(models.Model):
    """Store a file that supports a request; `revision_no` is the first version that carried the file."""

    request = ForeignKey(FormalRequest, PROTECT, related_name="evidence", verbose_name="solicitud")
    attachment = OneToOneField(Attachment, PROTECT, related_name="+", verbose_name="archivo")
    sha256 = models.CharField("SHA-256", max_length=64)
    revision_no = models.PositiveIntegerField("desde la versión", null=True, blank=True)
    # Left out of the next version; the earlier ones keep it.
    dropped_at = models.DateTimeField("retirada", null=True, blank=True)

    class Meta:
        verbose_name = "evidencia"
        verbose_name_plural = "evidencias"

    def __str__(self) -> str:
        return f"evidencia {self.pk}"
