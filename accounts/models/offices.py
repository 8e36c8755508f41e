"""Store who gives the service, and the dated offices (cargos) of staff (M3; spec: manual-clauses.md, Offices)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Q, UniqueConstraint

from factureya.core import clock


class Provider(models.Model):
    """Store who gives the service (M3): Factureya itself, or a third party."""

    name = models.CharField("nombre", max_length=120, unique=True)
    is_own = models.BooleanField("es Factureya", default=False)

    class Meta:
        verbose_name = "prestador"
        verbose_name_plural = "prestadores"
        constraints = [UniqueConstraint(fields=["is_own"], condition=Q(is_own=True), name="one_own_provider")]

    def __str__(self) -> str:
        return self.name


class Office(models.TextChoices):
    """Name the offices of the manual; the policy of each app says what each may do, and groups follow the offices."""

    AGENT = "agent", "Agente"
    THIRD_PARTY_AGENT = "third_party_agent", "Agente de un tercero"
    SUPERVISOR = "supervisor", "Supervisor"
    SECURITY_OFFICER = "security_officer", "Responsable de Seguridad Informática"
    INFORMATION_OWNER = "information_owner", "Propietario de la Información"
    IT_HEAD = "it_head", "Responsable del Área Informática"
    IMPLEMENTER = "implementer", "Implementador"
    DEVELOPER = "developer", "Desarrollo"


# Where each office works: the queue in /admin/, and /control/.
DESK_OFFICES = frozenset({Office.AGENT, Office.THIRD_PARTY_AGENT, Office.SUPERVISOR})
CONTROL_OFFICES = frozenset(
    {Office.SUPERVISOR, Office.SECURITY_OFFICER, Office.INFORMATION_OWNER, Office.IT_HEAD, Office.IMPLEMENTER}
)


class RoleAssignmentQuerySet(models.QuerySet["RoleAssignment"]):
    """Find assignments of offices."""

    def in_force(self) -> "RoleAssignmentQuerySet":
        """Return the assignments that are in force now."""
        instant = clock.now()
        return self.filter(starts_at__lte=instant).filter(Q(ends_at__isnull=True) | Q(ends_at__gt=instant))

    def not_ended(self) -> "RoleAssignmentQuerySet":
        """Return the assignments that are in force now or will be later."""
        return self.filter(Q(ends_at__isnull=True) | (Q(ends_at__gt=clock.now()) & Q(ends_at__gt=F("starts_at"))))


class RoleAssignment(models.Model):
    """Store a dated office that somebody else granted; it is ended and never deleted."""

    user = ForeignKey("User", PROTECT, related_name="+", verbose_name="persona")
    office = models.CharField("cargo", max_length=20, choices=Office)
    provider = ForeignKey(Provider, PROTECT, null=True, blank=True, verbose_name="prestador")
    starts_at = models.DateTimeField("desde", default=clock.now)
    ends_at = models.DateTimeField("hasta", null=True, blank=True)
    granted_by = ForeignKey("User", PROTECT, related_name="+", verbose_name="otorgó")
    ended_by = ForeignKey("User", PROTECT, null=True, blank=True, related_name="+", verbose_name="terminó")

    objects = RoleAssignmentQuerySet.as_manager()

    class Meta:
        verbose_name = "cargo"
        verbose_name_plural = "cargos"
        constraints = [
            CheckConstraint(
                name="office_granted_by_another",
                condition=~Q(granted_by=F("user")),
                violation_error_message="Nadie se otorga un cargo a sí mismo.",
            ),
            CheckConstraint(
                name="desk_office_has_provider",
                condition=Q(office__in=["agent", "third_party_agent", "supervisor"], provider__isnull=False)
                | (~Q(office__in=["agent", "third_party_agent", "supervisor"]) & Q(provider__isnull=True)),
                violation_error_message="Indique el prestador del agente.",
            ),
            CheckConstraint(
                name="office_ends_after_it_starts", condition=Q(ends_at__isnull=True) | Q(ends_at__gte=F("starts_at"))
            ),
            UniqueConstraint(
                fields=["user", "office"], condition=Q(ends_at__isnull=True), name="one_open_assignment_per_office"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_office_display()}"

    @property
    def has_ended(self) -> bool:
        """Return True if the office is over, or was ended before it began."""
        return self.ends_at is not None and self.ends_at <= max(clock.now(), self.starts_at)
