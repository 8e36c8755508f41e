"""Store the invitations by which a person comes in by mail (manual 01–02)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, ForeignKey, Q, UniqueConstraint

from accounts.models.companies import Customer
from accounts.models.people import Office, Provider
from factureya.core import clock
from factureya.core.models import Chained


class Invitation(Chained):
    """Store a single-use link, sent by mail, with which a person makes an account (contact or staff).

    Only the hash of the link is stored. The person who opens it chooses a name and a password, and the link proves the
    mail. The invitation of a contact names the company, that of staff the office.
    """

    email = models.EmailField("correo")
    token_hash = models.CharField("hash del enlace", max_length=64, unique=True)
    customer = ForeignKey(Customer, PROTECT, null=True, blank=True, related_name="invitations", verbose_name="empresa")
    own_tickets_only = models.BooleanField("ve solo sus tickets", default=False)
    office = models.CharField("cargo", max_length=20, choices=Office, blank=True)
    provider = ForeignKey(Provider, PROTECT, null=True, blank=True, related_name="+", verbose_name="prestador")
    invited_by = ForeignKey("User", PROTECT, related_name="+", verbose_name="invitó")
    created_at = models.DateTimeField("enviada", default=clock.now)
    expires_at = models.DateTimeField("vence")
    accepted_at = models.DateTimeField("aceptada", null=True, blank=True)
    cancelled_at = models.DateTimeField("cancelada", null=True, blank=True)
    # Its mail came back, and with it the link: that link opens nothing until another one is sent.
    undelivered_at = models.DateTimeField("devuelta", null=True, blank=True)

    class Meta:
        verbose_name = "invitación"
        verbose_name_plural = "invitaciones"
        constraints = [
            CheckConstraint(
                name="invitation_to_company_or_office",
                condition=Q(customer__isnull=False, office="") | (Q(customer__isnull=True) & ~Q(office="")),
            ),
            CheckConstraint(
                name="invitation_ends_once", condition=Q(accepted_at__isnull=True) | Q(cancelled_at__isnull=True)
            ),
            UniqueConstraint(
                name="one_pending_invitation_to_company",
                fields=["customer", "email"],
                condition=Q(accepted_at__isnull=True, cancelled_at__isnull=True, office=""),
            ),
            UniqueConstraint(
                name="one_pending_staff_invitation",
                fields=["email"],
                condition=Q(accepted_at__isnull=True, cancelled_at__isnull=True) & ~Q(office=""),
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def chain(self) -> str:
        """Return the chain of the company; the invitation of staff has its own chain, because there is no user yet."""
        return f"customer:{self.customer_id}" if self.customer_id else f"invitation:{self.pk}"

    @property
    def is_pending(self) -> bool:
        """Return True if the invitation was neither used nor cancelled; it may have expired."""
        return self.accepted_at is None and self.cancelled_at is None

    @property
    def has_expired(self) -> bool:
        """Return True if the link is too old to work."""
        return clock.now() >= self.expires_at
