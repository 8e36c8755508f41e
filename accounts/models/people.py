"""Store providers, people with an account, their dated offices (cargos), and the proofs of who they are (01–02, M3)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models, transaction
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Q, UniqueConstraint
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property

from accounts.models.companies import Contact
from factureya.core import audit, clock
from factureya.core.models import Chained
from factureya.core.record.state import Facts, read_facts
from factureya.core.refusals import NotAllowed

PERSON = "person"  # how an event calls the row of a person's account
_PERSON_FACTS = ("pk", "email", "is_superuser", "is_staff", "is_active", "is_emergency")


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
    AUDITOR = "auditor", "Auditoría"


# Where each office works: the queue in /admin/, and /control/.
DESK_OFFICES = frozenset({Office.AGENT, Office.THIRD_PARTY_AGENT, Office.SUPERVISOR})
CONTROL_OFFICES = frozenset(
    {Office.SUPERVISOR, Office.SECURITY_OFFICER, Office.INFORMATION_OWNER, Office.IT_HEAD, Office.IMPLEMENTER}
)
# They read everything in /control/ and write nothing.
READING_OFFICES = frozenset({Office.AUDITOR})


class RoleAssignmentQuerySet(models.QuerySet["RoleAssignment"]):
    """Find assignments of offices."""

    def in_force(self, at: datetime | None = None) -> "RoleAssignmentQuerySet":
        """Return the assignments of offices (cargos) that have begun and have not ended; `at` is now if left out."""
        instant = at or clock.now()
        return self.filter(starts_at__lte=instant).filter(Q(ends_at__isnull=True) | Q(ends_at__gt=instant))

    def not_ended(self) -> "RoleAssignmentQuerySet":
        """Return the assignments that are in force now or will be later."""
        return self.filter(Q(ends_at__isnull=True) | (Q(ends_at__gt=clock.now()) & Q(ends_at__gt=F("starts_at"))))


class RoleAssignment(models.Model):
    """Store a dated office that somebody else granted; it is ended and never deleted.

    `operations.insert_assignment` writes the row after its event, and the guards accept no other row.
    """

    user = ForeignKey("User", PROTECT, related_name="+", verbose_name="persona")
    office = models.CharField("cargo", max_length=20, choices=Office)
    provider = ForeignKey(Provider, PROTECT, null=True, blank=True, verbose_name="prestador")
    starts_at = models.DateTimeField("desde", default=clock.now)
    ends_at = models.DateTimeField("hasta", null=True, blank=True)
    granted_by = ForeignKey("User", PROTECT, related_name="+", verbose_name="otorgó")
    granted_at = models.DateTimeField("otorgado", default=clock.now)
    # The number of the event in the person's chain that granted it; empty in rows older than this column.
    granted_seq = models.PositiveIntegerField("evento", null=True, blank=True, editable=False)
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
            UniqueConstraint(
                fields=["user", "granted_seq"], condition=Q(granted_seq__isnull=False), name="one_assignment_per_event"
            ),
            CheckConstraint(
                name="office_not_ended_by_its_holder",
                condition=Q(ended_by__isnull=True) | Q(ends_at__isnull=False) & ~Q(ended_by=F("user")),
                violation_error_message="Nadie termina su propio cargo.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_office_display()}"

    @property
    def has_ended(self) -> bool:
        """Return True if the office is over, or was ended before it began."""
        return self.ends_at is not None and self.ends_at <= max(clock.now(), self.starts_at)


class UserManager(BaseUserManager["User"]):
    """Make users, and find them by e-mail in upper or lower case."""

    def get_by_natural_key(self, email: str | None) -> "User":
        """Return the user with this e-mail, in upper or lower case. Raises DoesNotExist."""
        return self.get(email=(email or "").strip().lower())

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "User":
        """Store a new person with an account, and return the person. Without a password nobody can sign in to it."""
        user = self.model(email=email.strip().lower(), **extra)
        user.set_password(password)
        return self.insert_person(user)

    def insert_person(self, user: "User", *, actor: "User | None" = None) -> "User":
        """Insert a new person, record the account in the person's chain, and return the person (M26).

        A superuser is inserted as an ordinary person and becomes one after the event that says so: the database refuses
        a superuser without such an event.
        """
        is_superuser, user.is_superuser = user.is_superuser, False
        with transaction.atomic(using=self._db):
            user.save(using=self._db, force_insert=True)
            rows = {PERSON: {**describe_person(user), "is_superuser": is_superuser}}
            audit.record_first("person.joined", user, actor=actor, rows=rows)
            if is_superuser:
                user.is_superuser = True
                user.save(using=self._db, update_fields=["is_superuser"])
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> "User":
        """Return a new person who invites staff and grants offices, but sees no tickets by that alone."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)


class User(Chained, AbstractBaseUser, PermissionsMixin):
    """Store a person who signs in with an e-mail address; the account is deactivated and never deleted."""

    email = models.EmailField("correo", unique=True)
    full_name = models.CharField("nombre", max_length=150)
    is_staff = models.BooleanField("personal", default=False)
    is_active = models.BooleanField("activo", default=True)
    date_joined = models.DateTimeField("alta", default=clock.now)
    # Part of what a session is bound to: one more, and every session of this person has ended.
    session_epoch = models.PositiveIntegerField("sesiones terminadas", default=0)
    # An emergency account (M22): never active here; `EmergencyBackend` lets it in, in memory, inside an open window.
    is_emergency = models.BooleanField("cuenta de emergencia", default=False)
    # A mail to this person came back; emptied when a mail from the address proves that it works.
    mail_bounced_at = models.DateTimeField("su correo no se entrega desde", null=True, blank=True)

    objects = UserManager()

    # Set in memory only, by `EmergencyBackend`: the open emergency, who uses it, what its session is bound to.
    emergency_grant: Any = None
    real_operator: "User | None" = None
    session_binding = ""

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["full_name"]

    class Meta:
        verbose_name = "usuario"
        verbose_name_plural = "usuarios"
        constraints = [
            CheckConstraint(
                name="emergency_account_rests",
                condition=Q(is_emergency=False)
                | Q(is_active=False, is_superuser=False, is_staff=False, password__startswith="!"),  # noqa: S106
                violation_error_message="Una cuenta de emergencia no está activa ni tiene contraseña.",
            )
        ]

    def __str__(self) -> str:
        return self.full_name or self.email

    def get_full_name(self) -> str:
        return self.full_name or self.email

    def get_short_name(self) -> str:
        return self.full_name.split(" ")[0]

    @property
    def chain(self) -> str:
        return f"user:{self.pk}"

    def save(self, *args: Any, **options: Any) -> None:
        """Save the person. Raises NotAllowed for an emergency account that is active in memory (M22)."""
        if self.emergency_grant is not None:
            raise NotAllowed("Una cuenta de emergencia no se guarda.")
        super().save(*args, **options)

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """Return the hash that a session stores. A new password or `session_epoch` changes it and ends the session.

        For an emergency account the hash also contains `session_binding`, which names one emergency and one session. So
        the hash is never valid in another session or emergency (M23). `secret`: an older key, which Django tries too.
        """
        content = f"{self.password}:{self.session_epoch}{self.session_binding}"
        return salted_hmac("accounts.session", content, secret=secret, algorithm="sha256").hexdigest()

    @cached_property
    def assignments(self) -> "list[RoleAssignment]":
        """Return the offices that this person holds now, read once per request."""
        return list(RoleAssignment.objects.filter(user=self).in_force())

    @property
    def offices(self) -> set[str]:
        """Return the offices held now, as `Office` values."""
        return {assignment.office for assignment in self.assignments}

    def holds(self, *offices: str) -> bool:
        """Return True if this active person holds one of these offices now."""
        return self.is_active and bool(self.offices & set(offices))

    @property
    def desk_provider_ids(self) -> list[int]:
        """Return the ids of the providers for whom this person works on tickets today, in a desk office (M3).

        A supervisor is always of our own desk and works for all providers, because he moves tickets between them.
        """
        if not (self.is_active and self.is_staff):
            return []
        if Office.SUPERVISOR in self.offices:
            return self._all_provider_ids
        return [a.provider_id for a in self.assignments if a.office in DESK_OFFICES and a.provider_id is not None]

    @cached_property
    def _all_provider_ids(self) -> list[int]:
        """Return the ids of all providers, our own first, read once per request."""
        return list(Provider.objects.order_by("-is_own", "pk").values_list("pk", flat=True))

    @property
    def works_in_admin(self) -> bool:
        """Return True if this person works in /admin/: an office of the queue, a superuser, or who reads everything."""
        return self.reads_all or (self.is_staff and (self.is_superuser or self.holds(*DESK_OFFICES)))

    @property
    def works_in_control(self) -> bool:
        """Return True if this person works in /control/, or reads there (Auditoría)."""
        return self.is_staff and self.holds(*CONTROL_OFFICES, *READING_OFFICES)

    @property
    def reads_all(self) -> bool:
        """Return True if this person reads every company, ticket and request, and changes none (M26).

        It is Auditoría, or an emergency account inside its window, which is active in memory only (M23).
        """
        return self.is_active and (self.is_emergency or (self.is_staff and self.holds(*READING_OFFICES)))

    @property
    def membership(self) -> "Contact | None":
        """Return the contact that ties this person to a company, or None for staff."""
        try:
            return self.contact
        except Contact.DoesNotExist:
            return None


def describe_person(person: User) -> Facts:
    """Return what of a person's account decides what the person may do, as an event holds it."""
    return read_facts(person, **{name: name for name in _PERSON_FACTS})


FRESH_SECONDS = 5 * 60  # how long a password that was typed again counts


class Method(StrEnum):
    """Name how an act was authenticated."""

    PASSWORD = "password"  # noqa: S105 (typed again, just before the act)
    SESSION = "session"  # signed in, and nothing more
    LINK = "link"  # the signed link of a mail of ours
    CODE = "code"  # the code that we mailed
    MAIL = "mail"  # a mail from an address that was proven
    NONE = "none"


@dataclass(frozen=True)
class Proof:
    """Hold how an act was authenticated: by what, whether a second factor was given, when, and from which address."""

    method: Method
    factor: bool = False
    at: datetime | None = None  # the instant of the proof, not of the act
    ip: str = ""

    def as_data(self) -> dict[str, Any]:
        """Return the proof of who acted, as an event stores it under `auth`; no link, code or password is in it."""
        at = self.at.isoformat() if self.at else ""
        return {"method": str(self.method), "factor": self.factor, "at": at, "ip": self.ip}


UNPROVEN = Proof(Method.NONE)
