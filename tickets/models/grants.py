"""Store which third party may read the customer's mail address in which ticket (M3)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Q, UniqueConstraint

from accounts.models import Provider, User
from factureya.core import clock
from tickets.models.ticket import Ticket


class MailGrant(models.Model):
    """Store that a supervisor shows a provider's agents the customer's mail addresses in one ticket, until it ends."""

    ticket = ForeignKey(Ticket, PROTECT, related_name="mail_grants", verbose_name="ticket")
    provider = ForeignKey(Provider, PROTECT, related_name="+", verbose_name="prestador")
    reason = models.CharField("motivo", max_length=300)
    granted_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="lo permitió")
    granted_at = models.DateTimeField("desde", default=clock.now)
    ends_at = models.DateTimeField("hasta")
    ended_at = models.DateTimeField("retirado", null=True, blank=True)
    ended_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="lo retiró")

    class Meta:
        verbose_name = "permiso de ver el correo"
        verbose_name_plural = "permisos de ver el correo"
        constraints = [
            CheckConstraint(
                name="mail_grant_has_reason", condition=~Q(reason=""), violation_error_message="Escriba el motivo."
            ),
            CheckConstraint(name="mail_grant_has_an_end", condition=Q(ends_at__gt=F("granted_at"))),
            CheckConstraint(
                name="mail_grant_end_names_who",
                condition=Q(ended_at__isnull=True, ended_by__isnull=True)
                | Q(ended_at__isnull=False, ended_by__isnull=False),
            ),
            UniqueConstraint(
                name="one_open_mail_grant_per_ticket", fields=["ticket", "provider"], condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"permiso {self.pk}"
