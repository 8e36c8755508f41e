"""Store companies and the people in them (manual 01–02)."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Index, Q, UniqueConstraint
from django.utils.functional import cached_property

from factureya.core import clock
from factureya.core.models import Chained

if TYPE_CHECKING:
    from accounts.models.credits import CreditBalance


class CustomerQuerySet(models.QuerySet["Customer"]):
    """Find companies."""

    def to_verify(self) -> "CustomerQuerySet":
        """Return the companies that wait for staff: undecided, and with a person whose mail address is verified."""
        undecided = self.filter(verified_at__isnull=True, refused_at__isnull=True, joined_to__isnull=True)
        with_verified_mail = Contact.objects.filter(customer=models.OuterRef("pk"), user__emailaddress__verified=True)
        return undecided.filter(models.Exists(with_verified_mail))

    def verified_with(self, rfc: str | models.OuterRef) -> "CustomerQuerySet":
        """Return the verified company with this RFC, if there is one."""
        return self.filter(rfc=rfc, verified_at__isnull=False)


class Customer(Chained):
    """Store a company (or a person with business activity) that uses Factureya; staff verifies it at `verified_at`.

    Once it is verified, only the execution of an approved request writes its sensitive columns (M1, `kinds.fields`).
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Activo"
        SUSPENDED = "suspended", "Suspendido"

    rfc = models.CharField("RFC", max_length=13, db_index=True)
    legal_name = models.CharField("razón social", max_length=254)
    fiscal_address = models.CharField("domicilio fiscal", max_length=300, blank=True)
    phone = models.CharField("teléfono", max_length=30, blank=True)
    registered_email = models.EmailField("correo registrado", db_index=True)
    rfc_check_failed = models.BooleanField("dígito verificador del RFC no coincide", default=False)
    created_at = models.DateTimeField("alta", default=clock.now)
    # The one-time key of the sign-up form: a double click makes one company.
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)
    verified_at = models.DateTimeField("verificada", null=True, blank=True)
    verified_by = ForeignKey("User", PROTECT, null=True, blank=True, related_name="+", verbose_name="verificó")
    refused_at = models.DateTimeField("no aceptada", null=True, blank=True)
    refusal_reason = models.CharField("motivo", max_length=300, blank=True)
    joined_to = ForeignKey("self", PROTECT, null=True, blank=True, related_name="joined", verbose_name="unida a")
    status = models.CharField("estado del servicio", max_length=10, choices=Status, default=Status.ACTIVE)
    # From this instant on, which may still come: the effective date of the BAJA.
    suspended_at = models.DateTimeField("suspendido desde", null=True, blank=True)

    # A company that does not exist: drills of the emergency procedure use it, and nothing else (M23).
    is_drill = models.BooleanField("cliente de simulacro", default=False)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        verbose_name = "cliente"
        verbose_name_plural = "clientes"
        constraints = [
            UniqueConstraint(
                fields=["rfc"],
                condition=Q(verified_at__isnull=False),
                name="one_verified_company_per_rfc",
                violation_error_message="Ya hay una empresa verificada con ese RFC.",
            ),
            CheckConstraint(
                name="verified_company_names_who",
                condition=Q(verified_at__isnull=True, verified_by__isnull=True)
                | Q(verified_at__isnull=False, verified_by__isnull=False),
            ),
            CheckConstraint(
                name="refused_company_has_reason",
                condition=Q(refused_at__isnull=True) | ~Q(refusal_reason=""),
                violation_error_message="Escriba el motivo.",
            ),
            CheckConstraint(name="company_not_joined_to_itself", condition=~Q(joined_to=F("id"))),
            CheckConstraint(
                name="verified_company_is_not_refused_or_joined",
                condition=Q(verified_at__isnull=True) | Q(refused_at__isnull=True, joined_to__isnull=True),
            ),
            CheckConstraint(
                name="suspended_company_has_its_instant",
                condition=Q(status="active", suspended_at__isnull=True)
                | Q(status="suspended", suspended_at__isnull=False),
            ),
        ]
        indexes = [Index(name="customer_to_verify", fields=["created_at"], condition=Q(verified_at__isnull=True))]

    def __str__(self) -> str:
        return self.legal_name

    @property
    def chain(self) -> str:
        return f"customer:{self.pk}"

    @property
    def is_verified(self) -> bool:
        """Return True if staff checked the company; until then it is *por verificar*."""
        return self.verified_at is not None

    @property
    def is_suspended(self) -> bool:
        """Return True if the day of a BAJA of the service has come; then the portal is read-only."""
        return self.suspended_at is not None and self.suspended_at <= clock.now()

    @property
    def waits_for_staff(self) -> bool:
        """Return True if staff may still verify, join or refuse the company."""
        return not (self.verified_at or self.refused_at or self.joined_to_id)

    @property
    def credits(self) -> "CreditBalance | None":
        """Return the company's credit package and what is left of it, or None if nobody entered it yet."""
        return getattr(self, "credit_balance", None)

    @property
    def state_label(self) -> str:
        """Return the state of the company for pages: «Verificada», «No aceptada», «Unida a otra» or «Por verificar»."""
        if self.is_verified:
            return "Verificada"
        if self.joined_to_id:
            return "Unida a otra"
        return "No aceptada" if self.refused_at else "Por verificar"

    @property
    def state_chip(self) -> str:
        """Return the name of the colour of the state's chip, for `core.templatetags.fy.state_class`."""
        return {"Verificada": "ok", "No aceptada": "bad", "Por verificar": "waiting"}.get(self.state_label, "closed")


class CustomerToVerify(Customer):
    """Show the companies that wait for staff as a page of the admin: *Clientes por verificar*."""

    class Meta:
        proxy = True
        verbose_name = "cliente por verificar"
        verbose_name_plural = "clientes por verificar"


class Power(models.TextChoices):
    """Name the capacity in which a person represents a company (M8)."""

    LEGAL_REPRESENTATIVE = "legal_representative", "Representante legal"
    ATTORNEY = "attorney", "Apoderado"


class Contact(models.Model):
    """Store a person's place in a company: the representative, or a contact who may be limited to own tickets."""

    class Role(models.TextChoices):
        REPRESENTATIVE = "representative", "Representante legal"
        CONTACT = "contact", "Contacto"

    user = models.OneToOneField("User", PROTECT, related_name="contact", verbose_name="persona")
    customer = ForeignKey(Customer, PROTECT, related_name="contacts", verbose_name="empresa")
    role = models.CharField("carácter", max_length=20, choices=Role, default=Role.CONTACT)
    own_tickets_only = models.BooleanField("ve solo sus tickets", default=False)
    invited_by = ForeignKey("User", PROTECT, null=True, blank=True, related_name="+", verbose_name="invitó")
    created_at = models.DateTimeField("alta", default=clock.now)

    class Meta:
        verbose_name = "contacto"
        verbose_name_plural = "contactos"

    def __str__(self) -> str:
        return f"{self.user} ({self.customer})"

    @property
    def is_representative(self) -> bool:
        """Return True if this person is or was the company's representative; `has_powers` tells which."""
        return self.role == self.Role.REPRESENTATIVE

    @cached_property
    def power_today(self) -> str | None:
        """Return the kind of this contact's powers for the company today, or None without powers (M8)."""
        if "power_listed" in self.__dict__:  # set by `policy.add_powers`, for a whole list at once
            return self.__dict__["power_listed"]
        powers = self.user.representations.filter(customer_id=self.customer_id).in_force()
        kind: str | None = powers.order_by("pk").values_list("power_kind", flat=True).first()
        return kind

    @property
    def has_powers(self) -> bool:
        """Return True if this person represents the company today (M8)."""
        return self.power_today is not None

    @property
    def standing(self) -> str:
        """Return what this contact is today, for pages: «Representante legal», «Apoderado» or «Contacto».

        «Contacto» has a remark if it was a representative whose powers ended.
        """
        if self.power_today is not None:
            return str(Power(self.power_today).label)
        return "Contacto (sus poderes terminaron)" if self.is_representative else "Contacto"
