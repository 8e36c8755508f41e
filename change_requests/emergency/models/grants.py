"""Store grants of an emergency account: who asked, who authorized, when it opened and ended, what it changed (M23)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Index, Q, UniqueConstraint
from django.db.models.functions import Length, Trim
from django.db.models.lookups import GreaterThanOrEqual

from accounts.models import Customer, RoleAssignment, User
from change_requests.emergency.models.accounts import CriticalCredential, Delegation, EmergencyAccount, EmergencyCause
from factureya.core import clock
from factureya.core.models import Chained

MAX_MINUTES = 240  # four hours: no setting may raise it


class GrantStatus(models.TextChoices):
    """Name the statuses of a grant."""

    REQUESTED = "requested", "Por autorizar"
    AUTHORIZED = "authorized", "Autorizada, sin abrir"
    REFUSED = "refused", "No autorizada"
    LAPSED = "lapsed", "Caducada"
    OPEN = "open", "Emergencia abierta"
    ENDED = "ended", "Terminada, falta su revisión"
    REVIEWED = "reviewed", "Revisada"


class EmergencyGrant(Chained):
    """Store one emergency: an operator uses an account for an incident, on one customer, in a bounded window (M23)."""

    Status = GrantStatus
    PREFIX = "EM"
    LIVE = (GrantStatus.REQUESTED, GrantStatus.AUTHORIZED, GrantStatus.OPEN)

    class Incident(models.TextChoices):
        TICKET = "ticket", "Ticket"
        REQUEST = "request", "Solicitud"
        DRILL = "drill", "Simulacro"

    class EndReason(models.TextChoices):
        USED = "used", "La terminó quien la usaba"
        TIME = "time", "Se acabó su tiempo"
        REVOKED = "revoked", "Se revocó"
        IDLE = "idle", "Pasaron 15 minutos sin uso"
        CLOCK = "clock", "El reloj retrocedió"
        REPLACED = "replaced", "La sesión se reemplazó"

    folio = models.CharField("folio", max_length=14, unique=True)
    account = ForeignKey(EmergencyAccount, PROTECT, related_name="grants", verbose_name="cuenta")
    # Empty until it is opened: one credential serves one grant.
    credential = models.OneToOneField(
        CriticalCredential, PROTECT, null=True, blank=True, related_name="grant", verbose_name="sello"
    )
    operator = ForeignKey(User, PROTECT, related_name="emergency_grants", verbose_name="la usa")
    operator_name = models.CharField("nombre de quien la usa", max_length=150)
    incident_kind = models.CharField("clase de incidente", max_length=7, choices=Incident)
    incident = models.CharField("folio del incidente", max_length=20)
    cause = ForeignKey(EmergencyCause, PROTECT, related_name="grants", verbose_name="causa")
    customer = ForeignKey(Customer, PROTECT, related_name="+", verbose_name="cliente")
    fields = models.JSONField("datos que puede tocar", default=list, blank=True)  # codes of `kinds.fields.COLUMNS`
    reason = models.TextField("qué hará y por qué no puede esperar")
    minutes_asked = models.PositiveSmallIntegerField("minutos pedidos")
    minutes = models.PositiveSmallIntegerField("minutos autorizados", null=True, blank=True)
    status = models.CharField("estado", max_length=10, choices=GrantStatus, default=GrantStatus.REQUESTED)
    requested_at = models.DateTimeField("pedida", default=clock.now)
    decide_before = models.DateTimeField("se autoriza antes de")
    authorized_at = models.DateTimeField("autorizada", null=True, blank=True)
    start_before = models.DateTimeField("se abre antes de", null=True, blank=True)
    half_a_at = models.DateTimeField("mitad A", null=True, blank=True)
    half_a_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="puso la mitad A")
    half_b_at = models.DateTimeField("mitad B", null=True, blank=True)
    half_b_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="puso la mitad B")
    opened_at = models.DateTimeField("abierta", null=True, blank=True)
    ends_at = models.DateTimeField("termina", null=True, blank=True)  # computed once, never moved later
    entered_at = models.DateTimeField("la empezó a usar", null=True, blank=True)
    last_seen_at = models.DateTimeField("último uso", null=True, blank=True)
    ended_at = models.DateTimeField("terminada", null=True, blank=True)
    ended_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="terminó")
    end_reason = models.CharField("por qué terminó", max_length=8, choices=EndReason, blank=True)
    end_note = models.CharField("motivo", max_length=300, blank=True)
    session_key_hash = models.CharField("hash de la sesión", max_length=64, blank=True)
    drill = models.BooleanField("simulacro", default=False)
    # The one-time key of the form: a double click makes one grant.
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)

    class Meta:
        verbose_name = "emergencia"
        verbose_name_plural = "emergencias"
        constraints = [
            UniqueConstraint(
                name="one_live_grant_per_account",
                fields=["account"],
                condition=Q(status__in=["requested", "authorized", "open"]),
                violation_error_message="Esa cuenta ya tiene una emergencia en curso.",
            ),
            CheckConstraint(name="grant_status_is_known", condition=Q(status__in=GrantStatus.values)),
            CheckConstraint(
                name="grant_incident_is_known",
                condition=Q(incident_kind__in=["ticket", "request"], drill=False)
                | Q(incident_kind="drill", drill=True),
            ),
            CheckConstraint(name="grant_has_incident", condition=~Q(incident="")),
            CheckConstraint(
                name="grant_has_reason",
                condition=GreaterThanOrEqual(Length(Trim("reason")), 20),
                violation_error_message="Escriba qué hará y por qué no puede esperar (al menos 20 caracteres).",
            ),
            CheckConstraint(
                name="grant_minutes_are_bounded",
                condition=Q(minutes_asked__gte=1, minutes_asked__lte=MAX_MINUTES)
                & (Q(minutes__isnull=True) | Q(minutes__gte=1, minutes__lte=F("minutes_asked"))),
                violation_error_message="Una emergencia dura a lo más 4 horas.",
            ),
            CheckConstraint(
                name="authorized_grant_is_whole",
                condition=Q(status__in=["refused", "lapsed"])
                | Q(status="requested", authorized_at__isnull=True, start_before__isnull=True, minutes__isnull=True)
                | Q(
                    status__in=["authorized", "open", "ended", "reviewed"],
                    authorized_at__isnull=False,
                    start_before__isnull=False,
                    start_before__gt=F("authorized_at"),
                    minutes__isnull=False,
                ),
            ),
            CheckConstraint(
                name="opened_grant_is_whole",
                condition=Q(
                    status__in=["requested", "authorized", "refused", "lapsed"],
                    credential__isnull=True,
                    opened_at__isnull=True,
                    ends_at__isnull=True,
                    entered_at__isnull=True,
                    session_key_hash="",
                )
                | Q(
                    status__in=["open", "ended", "reviewed"],
                    credential__isnull=False,
                    half_a_at__isnull=False,
                    half_b_at__isnull=False,
                    opened_at__isnull=False,
                    ends_at__isnull=False,
                    opened_at__gte=F("authorized_at"),
                    opened_at__lt=F("start_before"),
                    ends_at__gt=F("opened_at"),
                ),
            ),
            CheckConstraint(
                name="ended_grant_is_whole",
                condition=Q(status__in=["requested", "authorized", "open"], ended_at__isnull=True, end_reason="")
                | Q(status__in=["lapsed", "ended", "reviewed"], ended_at__isnull=False) & ~Q(end_reason="")
                | Q(status="refused", ended_at__isnull=False),
            ),
            CheckConstraint(
                name="grant_ends_inside_its_window",
                condition=Q(opened_at__isnull=True)
                | Q(ended_at__isnull=True)
                | Q(ended_at__gte=F("opened_at"), ended_at__lte=F("ends_at")),
            ),
            CheckConstraint(
                name="entered_grant_has_its_session",
                condition=Q(entered_at__isnull=True, session_key_hash="")
                | Q(entered_at__isnull=False) & ~Q(session_key_hash=""),
            ),
            CheckConstraint(
                name="half_given_names_who",
                condition=(
                    Q(half_a_at__isnull=True, half_a_by__isnull=True)
                    | Q(half_a_at__isnull=False, half_a_by__isnull=False)
                )
                & (
                    Q(half_b_at__isnull=True, half_b_by__isnull=True)
                    | Q(half_b_at__isnull=False, half_b_by__isnull=False)
                ),
            ),
            CheckConstraint(
                name="halves_given_by_two",
                condition=Q(half_a_by__isnull=True) | Q(half_b_by__isnull=True) | ~Q(half_a_by=F("half_b_by")),
            ),
            CheckConstraint(
                name="operator_gives_no_half",
                condition=(Q(half_a_by__isnull=True) | ~Q(half_a_by=F("operator")))
                & (Q(half_b_by__isnull=True) | ~Q(half_b_by=F("operator"))),
            ),
        ]
        indexes = [
            Index(name="live_grant", fields=["ends_at"], condition=Q(status__in=["requested", "authorized", "open"])),
            Index(name="grant_to_review", fields=["ended_at"], condition=Q(status="ended")),
        ]

    def __str__(self) -> str:
        return self.folio

    @property
    def chain(self) -> str:
        return f"grant:{self.folio}"

    @property
    def is_live(self) -> bool:
        """Return True if the emergency is being authorized, waits to be opened, or is open by its status."""
        return self.status in self.LIVE

    @property
    def minutes_granted(self) -> int:
        """Return the minutes that were authorized, or those that were asked while nobody has authorized yet."""
        return self.minutes if self.minutes is not None else self.minutes_asked


class GrantAuthorization(models.Model):
    """Store how one officer decided about an emergency; append-only, one per place and per person (M23).

    `office` is the office that was used and `assignment` is whose; with a delegation it is the absent officer's.
    """

    class Slot(models.TextChoices):
        OWNER_OR_IT_HEAD = "owner_or_it_head", "Propietario de la Información o Área Informática"
        SECURITY = "security", "Responsable de Seguridad Informática"

    class Verdict(models.TextChoices):
        AUTHORIZE = "authorize", "Autoriza"
        LESS = "less", "Autoriza por menos tiempo"
        REFUSE = "refuse", "No autoriza"

    grant = ForeignKey(EmergencyGrant, PROTECT, related_name="authorizations", verbose_name="emergencia")
    slot = models.CharField("lugar", max_length=16, choices=Slot)
    authorizer = ForeignKey(User, PROTECT, related_name="+", verbose_name="decidió")
    authorizer_name = models.CharField("nombre de quien decidió", max_length=150)
    office = models.CharField("cargo", max_length=20, choices=Delegation._meta.get_field("office").choices)
    assignment = ForeignKey(RoleAssignment, PROTECT, related_name="+", verbose_name="asignación del cargo")
    delegation = ForeignKey(Delegation, PROTECT, null=True, blank=True, related_name="+", verbose_name="suplencia")
    verdict = models.CharField("decisión", max_length=9, choices=Verdict)
    minutes = models.PositiveSmallIntegerField("minutos")  # 0 when it is refused
    reason = models.TextField("razón")
    decided_at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "autorización de una emergencia"
        verbose_name_plural = "autorizaciones de emergencias"
        constraints = [
            UniqueConstraint(
                name="one_authorization_per_slot",
                fields=["grant", "slot"],
                violation_error_message="Ese cargo ya decidió sobre esta emergencia.",
            ),
            UniqueConstraint(
                name="one_authorization_per_person",
                fields=["grant", "authorizer"],
                violation_error_message="Esa persona ya decidió sobre esta emergencia.",
            ),
            CheckConstraint(
                name="authorization_office_fits_its_slot",
                condition=Q(slot="security", office="security_officer")
                | Q(slot="owner_or_it_head", office__in=["information_owner", "it_head"]),
            ),
            CheckConstraint(
                name="authorization_verdict_is_known",
                condition=Q(verdict="refuse", minutes=0) | Q(verdict__in=["authorize", "less"], minutes__gte=1),
            ),
            CheckConstraint(
                name="authorization_has_reason",
                condition=GreaterThanOrEqual(Length(Trim("reason")), 10),
                violation_error_message="Escriba la razón (al menos 10 caracteres).",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.grant_id}: {self.get_verdict_display()}"


class EmergencyChange(models.Model):
    """Store one change of a customer's field inside an emergency; append-only, written before the field (M1, M23)."""

    grant = ForeignKey(EmergencyGrant, PROTECT, related_name="changes", verbose_name="emergencia")
    customer = ForeignKey(Customer, PROTECT, related_name="+", verbose_name="cliente")
    field = models.CharField("dato", max_length=40)
    old = models.TextField("antes", blank=True)
    new = models.TextField("después", blank=True)
    reason = models.TextField("motivo")
    operator = ForeignKey(User, PROTECT, related_name="+", verbose_name="quién")
    at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "cambio de emergencia"
        verbose_name_plural = "cambios de emergencia"
        constraints = [
            CheckConstraint(
                name="emergency_change_has_reason",
                condition=GreaterThanOrEqual(Length(Trim("reason")), 10),
                violation_error_message="Escriba el motivo (al menos 10 caracteres).",
            ),
            CheckConstraint(name="emergency_change_changes", condition=~Q(old=F("new"))),
        ]

    def __str__(self) -> str:
        return f"{self.grant_id}: {self.field}"


class EmergencyContext(models.Model):
    """Store which emergency writes now, on SQLite: one row, written and deleted inside one transaction.

    PostgreSQL uses the transaction-local setting `factureya.emergency` and leaves this table empty.
    """

    id = models.PositiveSmallIntegerField(primary_key=True)
    grant = ForeignKey(EmergencyGrant, PROTECT, related_name="+")

    class Meta:
        verbose_name = "emergencia en curso"
        verbose_name_plural = "emergencias en curso"
        constraints = [CheckConstraint(name="one_emergency_at_a_time", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"emergencia {self.grant_id}"
