"""Who: users, companies and their contacts, providers and offices (manual 01–02; spec: manual-clauses.md, Offices)."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property

from factureya.core import clock
from factureya.core.models import Chained


class UserManager(BaseUserManager["User"]):
    """Users are found by e-mail, whatever its case."""

    def get_by_natural_key(self, email: str | None) -> "User":
        return self.get(email=(email or "").strip().lower())

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "User":
        """A person who can sign in. The address is stored in lower case; no password means none works."""
        user = self.model(email=email.strip().lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> "User":
        """A person who invites staff and grants offices; sees no tickets by that alone."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)


class User(Chained, AbstractBaseUser, PermissionsMixin):
    """A person who signs in with an e-mail address. Deactivated, never deleted."""

    email = models.EmailField("correo", unique=True)
    full_name = models.CharField("nombre", max_length=150)
    is_staff = models.BooleanField("personal", default=False)
    is_active = models.BooleanField("activo", default=True)
    date_joined = models.DateTimeField("alta", default=clock.now)
    # Part of what a session is bound to: one more, and every session of this person has ended.
    session_epoch = models.PositiveIntegerField("sesiones terminadas", default=0)
    # A mail to this person came back; emptied when a mail from the address proves that it works.
    mail_bounced_at = models.DateTimeField("su correo no se entrega desde", null=True, blank=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["full_name"]

    class Meta:
        verbose_name = "usuario"
        verbose_name_plural = "usuarios"

    def __str__(self) -> str:
        return self.full_name or self.email

    def get_full_name(self) -> str:
        """The name shown to others."""
        return self.full_name or self.email

    def get_short_name(self) -> str:
        """The first name."""
        return self.full_name.split(" ")[0]

    @property
    def chain(self) -> str:
        return f"user:{self.pk}"

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """What a session is bound to: the password, and the number of times all sessions were ended."""
        content = f"{self.password}:{self.session_epoch}"
        return salted_hmac(
            "accounts.session", content, secret=secret, algorithm="sha256"
        ).hexdigest()

    @cached_property
    def assignments(self) -> "list[RoleAssignment]":
        """The offices this person holds now, in one query per request."""
        return list(RoleAssignment.objects.filter(user=self).in_force())

    @property
    def offices(self) -> set[str]:
        """The offices held now, as `Office` values."""
        return {assignment.office for assignment in self.assignments}

    def holds(self, *offices: str) -> bool:
        """Whether this active person holds any of these offices now."""
        return self.is_active and bool(self.offices & set(offices))

    @property
    def desk_provider_ids(self) -> list[int]:
        """Providers whose tickets this person works (M3): those of the agent, third-party and supervisor offices."""
        if not (self.is_active and self.is_staff):
            return []
        return [
            a.provider_id
            for a in self.assignments
            if a.office in DESK_OFFICES and a.provider_id is not None
        ]

    @property
    def works_in_admin(self) -> bool:
        """Whether /admin/ is this person's place: the queue's offices, and superusers."""
        return self.is_staff and (self.is_superuser or self.holds(*DESK_OFFICES))

    @property
    def works_in_control(self) -> bool:
        """Whether /control/ is this person's place."""
        return self.is_staff and self.holds(*CONTROL_OFFICES)

    @property
    def membership(self) -> "Contact | None":
        """The person's place in a company, or None for staff."""
        try:
            return self.contact
        except Contact.DoesNotExist:
            return None


class CustomerQuerySet(models.QuerySet["Customer"]):
    """Questions about companies."""

    def to_verify(self) -> "CustomerQuerySet":
        """Companies that wait for staff: neither verified, refused nor joined, of a person whose mail is proven."""
        waiting = self.filter(
            verified_at__isnull=True, refused_at__isnull=True, joined_to__isnull=True
        )
        proven = Contact.objects.filter(customer=OuterRef("pk"), user__emailaddress__verified=True)
        return waiting.filter(Exists(proven))

    def verified_with(self, rfc: str) -> "CustomerQuerySet":
        """The verified company with this RFC, if there is one."""
        return self.filter(rfc=rfc, verified_at__isnull=False)


class Customer(Chained):
    """A company (or a person with business activity) that uses Factureya. Verified by staff, `verified_at`."""

    rfc = models.CharField("RFC", max_length=13, db_index=True)
    legal_name = models.CharField("razón social", max_length=254)
    fiscal_address = models.CharField("domicilio fiscal", max_length=300, blank=True)
    phone = models.CharField("teléfono", max_length=30, blank=True)
    registered_email = models.EmailField("correo registrado", db_index=True)
    rfc_check_failed = models.BooleanField("dígito verificador del RFC no coincide", default=False)
    created_at = models.DateTimeField("alta", default=clock.now)
    # The one-time key of the sign-up form: a double click makes one company.
    form_key = models.CharField(
        "clave del formulario", max_length=80, unique=True, null=True, blank=True
    )
    verified_at = models.DateTimeField("verificada", null=True, blank=True)
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="verificó",
    )
    refused_at = models.DateTimeField("no aceptada", null=True, blank=True)
    refusal_reason = models.CharField("motivo", max_length=300, blank=True)
    joined_to = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="joined", verbose_name="unida a"
    )

    objects = CustomerQuerySet.as_manager()

    class Meta:
        verbose_name = "cliente"
        verbose_name_plural = "clientes"
        constraints = [
            models.UniqueConstraint(
                fields=["rfc"], condition=Q(verified_at__isnull=False), name="one_verified_company_per_rfc",
                violation_error_message="Ya hay una empresa verificada con ese RFC.",
            ),
            models.CheckConstraint(
                name="verified_company_names_who",
                condition=Q(verified_at__isnull=True, verified_by__isnull=True)
                | Q(verified_at__isnull=False, verified_by__isnull=False),
            ),
            models.CheckConstraint(
                name="refused_company_has_reason", condition=Q(refused_at__isnull=True) | ~Q(refusal_reason=""),
                violation_error_message="Escriba el motivo.",
            ),
            models.CheckConstraint(name="company_not_joined_to_itself", condition=~Q(joined_to=F("id"))),
            models.CheckConstraint(
                name="verified_company_is_not_refused_or_joined",
                condition=Q(verified_at__isnull=True) | Q(refused_at__isnull=True, joined_to__isnull=True),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                name="customer_to_verify",
                fields=["created_at"],
                condition=Q(verified_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.legal_name

    @property
    def chain(self) -> str:
        return f"customer:{self.pk}"

    @property
    def is_verified(self) -> bool:
        """Whether staff checked the company; until then it is *por verificar*."""
        return self.verified_at is not None

    @property
    def waits_for_staff(self) -> bool:
        """Whether staff may still verify, join or refuse the company."""
        return not (self.verified_at or self.refused_at or self.joined_to_id)

    @property
    def state_label(self) -> str:
        """«Verificada», «No aceptada», «Unida a otra» or «Por verificar»."""
        if self.is_verified:
            return "Verificada"
        if self.joined_to_id:
            return "Unida a otra"
        return "No aceptada" if self.refused_at else "Por verificar"

    @property
    def state_chip(self) -> str:
        """The colour of the state's chip, as `core.templatetags.fy.state_class` names it."""
        return {"Verificada": "ok", "No aceptada": "bad", "Por verificar": "waiting"}.get(
            self.state_label, "closed"
        )


class CustomerToVerify(Customer):
    """The companies that wait for staff, as a page of the admin: *Clientes por verificar*."""

    class Meta:
        proxy = True
        verbose_name = "cliente por verificar"
        verbose_name_plural = "clientes por verificar"


class Contact(models.Model):
    """A person's place in a company: the representative, or a contact who may be limited to his own tickets."""

    class Role(models.TextChoices):
        REPRESENTATIVE = "representative", "Representante legal"
        CONTACT = "contact", "Contacto"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="contact", verbose_name="persona"
    )
    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="contacts", verbose_name="empresa"
    )
    role = models.CharField("carácter", max_length=20, choices=Role, default=Role.CONTACT)
    own_tickets_only = models.BooleanField("ve solo sus tickets", default=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="invitó",
    )
    created_at = models.DateTimeField("alta", default=clock.now)

    class Meta:
        verbose_name = "contacto"
        verbose_name_plural = "contactos"

    def __str__(self) -> str:
        return f"{self.user} ({self.customer})"

    @property
    def is_representative(self) -> bool:
        """Whether this is the company's representative."""
        return self.role == self.Role.REPRESENTATIVE


class Provider(models.Model):
    """Who gives the service (M3): Factureya itself, or a third party."""

    name = models.CharField("nombre", max_length=120, unique=True)
    is_own = models.BooleanField("es Factureya", default=False)

    class Meta:
        verbose_name = "prestador"
        verbose_name_plural = "prestadores"
        constraints = [
            models.UniqueConstraint(
                fields=["is_own"], condition=Q(is_own=True), name="one_own_provider"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Office(models.TextChoices):
    """The offices of the manual. What each may do is in the policy of each app; groups follow them."""

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
    {
        Office.SUPERVISOR,
        Office.SECURITY_OFFICER,
        Office.INFORMATION_OWNER,
        Office.IT_HEAD,
        Office.IMPLEMENTER,
    }
)


class RoleAssignmentQuerySet(models.QuerySet["RoleAssignment"]):
    """Questions about offices."""

    def in_force(self) -> "RoleAssignmentQuerySet":
        """Assignments that hold now."""
        instant = clock.now()
        return self.filter(starts_at__lte=instant).filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=instant)
        )

    def not_ended(self) -> "RoleAssignmentQuerySet":
        """Assignments that hold now or will hold later."""
        return self.filter(
            Q(ends_at__isnull=True) | (Q(ends_at__gt=clock.now()) & Q(ends_at__gt=F("starts_at")))
        )


class RoleAssignment(models.Model):
    """A dated office, granted by somebody else. Ended, never deleted. Written by `accounts.operations`."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="persona"
    )
    office = models.CharField("cargo", max_length=20, choices=Office)
    provider = models.ForeignKey(
        Provider, models.PROTECT, null=True, blank=True, verbose_name="prestador"
    )
    starts_at = models.DateTimeField("desde", default=clock.now)
    ends_at = models.DateTimeField("hasta", null=True, blank=True)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="otorgó"
    )
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="terminó",
    )

    objects = RoleAssignmentQuerySet.as_manager()

    class Meta:
        verbose_name = "cargo"
        verbose_name_plural = "cargos"
        constraints = [
            models.CheckConstraint(
                name="office_granted_by_another", condition=~Q(granted_by=F("user")),
                violation_error_message="Nadie se otorga un cargo a sí mismo.",
            ),
            models.CheckConstraint(
                name="desk_office_has_provider",
                condition=Q(office__in=["agent", "third_party_agent", "supervisor"], provider__isnull=False)
                | (~Q(office__in=["agent", "third_party_agent", "supervisor"]) & Q(provider__isnull=True)),
                violation_error_message="Indique el prestador del agente.",
            ),
            models.CheckConstraint(
                name="office_ends_after_it_starts", condition=Q(ends_at__isnull=True) | Q(ends_at__gte=F("starts_at"))
            ),
            models.UniqueConstraint(
                fields=["user", "office"], condition=Q(ends_at__isnull=True), name="one_open_assignment_per_office"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.user}: {self.get_office_display()}"

    @property
    def has_ended(self) -> bool:
        """Whether the office does not hold any more, or was ended before it began."""
        return self.ends_at is not None and self.ends_at <= max(clock.now(), self.starts_at)


class Invitation(Chained):
    """A single-use link, sent by mail, with which a person makes an account (contact or staff).

    Only the link's hash is kept. The person who opens it chooses his own name and password; the mail is proven by
    the link. A contact's invitation names the company, a staff invitation the office.
    """

    email = models.EmailField("correo")
    token_hash = models.CharField("hash del enlace", max_length=64, unique=True)
    customer = models.ForeignKey(
        Customer,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="invitations",
        verbose_name="empresa",
    )
    own_tickets_only = models.BooleanField("ve solo sus tickets", default=False)
    office = models.CharField("cargo", max_length=20, choices=Office, blank=True)
    provider = models.ForeignKey(
        Provider,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="prestador",
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="invitó"
    )
    created_at = models.DateTimeField("enviada", default=clock.now)
    expires_at = models.DateTimeField("vence")
    accepted_at = models.DateTimeField("aceptada", null=True, blank=True)
    cancelled_at = models.DateTimeField("cancelada", null=True, blank=True)

    class Meta:
        verbose_name = "invitación"
        verbose_name_plural = "invitaciones"
        constraints = [
            models.CheckConstraint(
                name="invitation_to_company_or_office",
                condition=Q(customer__isnull=False, office="")
                | (Q(customer__isnull=True) & ~Q(office="")),
            ),
            models.CheckConstraint(
                name="invitation_ends_once",
                condition=Q(accepted_at__isnull=True) | Q(cancelled_at__isnull=True),
            ),
            models.UniqueConstraint(
                name="one_pending_invitation_to_company",
                fields=["customer", "email"],
                condition=Q(accepted_at__isnull=True, cancelled_at__isnull=True, office=""),
            ),
            models.UniqueConstraint(
                name="one_pending_staff_invitation",
                fields=["email"],
                condition=Q(accepted_at__isnull=True, cancelled_at__isnull=True) & ~Q(office=""),
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def chain(self) -> str:
        """Its events are its company's; a staff invitation has a chain of its own, as there is no user yet."""
        return f"customer:{self.customer_id}" if self.customer_id else f"invitation:{self.pk}"

    @property
    def is_pending(self) -> bool:
        """Whether it was neither used nor cancelled; it may have expired."""
        return self.accepted_at is None and self.cancelled_at is None

    @property
    def has_expired(self) -> bool:
        """Whether the link no longer works because of its age."""
        return clock.now() >= self.expires_at


class FactorReset(models.Model):
    """A lost second factor is taken away by two people: one asks, another approves. Never deleted."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="persona"
    )
    reason = models.CharField("motivo", max_length=300)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="pidió"
    )
    requested_at = models.DateTimeField("pedido", default=clock.now)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="decidió",
    )
    decided_at = models.DateTimeField("decidido", null=True, blank=True)
    approved = models.BooleanField("aprobado", null=True, blank=True)

    class Meta:
        verbose_name = "restablecimiento del segundo factor"
        verbose_name_plural = "restablecimientos del segundo factor"
        constraints = [
            models.CheckConstraint(
                name="factor_reset_takes_two_people",
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("requested_by")),
                violation_error_message="Quien lo pide no lo aprueba.",
            ),
            models.CheckConstraint(
                name="factor_reset_by_others",
                condition=~Q(requested_by=F("user"))
                & (Q(decided_by__isnull=True) | ~Q(decided_by=F("user"))),
                violation_error_message="Nadie restablece su propio segundo factor.",
            ),
            models.CheckConstraint(
                name="factor_reset_decided_whole",
                condition=Q(decided_by__isnull=True, decided_at__isnull=True, approved__isnull=True)
                | Q(decided_by__isnull=False, decided_at__isnull=False, approved__isnull=False),
            ),
            models.CheckConstraint(name="factor_reset_has_reason", condition=~Q(reason="")),
            models.UniqueConstraint(
                name="one_open_factor_reset", fields=["user"], condition=Q(decided_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"segundo factor de {self.user}"
