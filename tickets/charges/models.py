"""Store what work cost: minutes of agents, proposed charges, and their lines (M18).

Money is in whole cents, because SQLite keeps decimals as floats; `money` shows them as pesos.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Q, UniqueConstraint
from django.db.models.lookups import GreaterThan, LessThanOrEqual

from accounts.models import Representative, User
from factureya.core import clock
from tickets.charges.money import TAX_UNITS
from tickets.models.conversation import Message
from tickets.models.ticket import Ticket

MAX_ENTRY_MINUTES = 720
MAX_CHARGE_MINUTES = 6_000
MAX_RATE_CENTS = 1_000_000  # $10,000.00 an hour
MAX_WORK, MAX_REASON, MAX_NOTE = 200, 1_000, 300  # characters


class ChargeQuerySet(models.QuerySet["ChargeProposal"]):
    """Select proposed charges."""

    def undecided(self) -> "ChargeQuerySet":
        """Select the charges that nobody decided, withdrew or let lapse; one may be overdue."""
        return self.filter(status=ChargeProposal.Status.PROPOSED)

    def to_lapse(self, instant: datetime) -> "ChargeQuerySet":
        """Select the undecided charges whose time is over, or whose ticket is Cerrado."""
        return self.undecided().filter(Q(expires_at__lt=instant) | Q(ticket__status=Ticket.Status.CLOSED))


class ChargeProposal(models.Model):
    """Store a charge that a supervisor proposed: minutes at a price, and why; its terms never change (M18).

    It ends once. What was accepted is the most that is ever charged.
    """

    class Status(models.TextChoices):
        PROPOSED = "proposed", "Propuesto"
        ACCEPTED = "accepted", "Aceptado"
        DECLINED = "declined", "No aceptado"
        WITHDRAWN = "withdrawn", "Retirado"
        LAPSED = "lapsed", "Venció"

    ticket = ForeignKey(Ticket, PROTECT, related_name="charges", verbose_name="ticket")
    seq = models.PositiveIntegerField("número")  # 1, 2, 3… within the ticket
    message = models.OneToOneField(Message, PROTECT, related_name="charge", verbose_name="mensaje que la propone")
    proposed_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="propuso")
    proposed_at = models.DateTimeField("propuesto", default=clock.now)
    expires_at = models.DateTimeField("vence")
    minutes = models.PositiveIntegerField("minutos")
    rate_cents = models.PositiveBigIntegerField("centavos por hora")
    subtotal_cents = models.PositiveBigIntegerField("subtotal en centavos")
    tax_rate = models.PositiveIntegerField("tasa de IVA en diezmilésimas")
    tax_cents = models.PositiveBigIntegerField("IVA en centavos")
    total_cents = models.PositiveBigIntegerField("total en centavos")
    reason = models.CharField("por qué se propone", max_length=MAX_REASON)

    status = models.CharField("estado", max_length=10, choices=Status, default=Status.PROPOSED)
    ended_at = models.DateTimeField("terminó", null=True, blank=True)
    ended_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="quién")
    # Whose powers decided: of the accepted and the declined alone.
    representative = ForeignKey(Representative, PROTECT, null=True, blank=True, related_name="+")
    note = models.CharField("razón", max_length=MAX_NOTE, blank=True)

    objects = ChargeQuerySet.as_manager()

    class Meta:
        verbose_name = "propuesta de cobro"
        verbose_name_plural = "propuestas de cobro"
        constraints = [
            UniqueConstraint(fields=["ticket", "seq"], name="one_charge_per_number"),
            UniqueConstraint(fields=["ticket"], condition=Q(status="proposed"), name="one_undecided_charge_per_ticket"),
            CheckConstraint(
                name="charge_status_is_known",
                condition=Q(status__in=["proposed", "accepted", "declined", "withdrawn", "lapsed"]),
            ),
            CheckConstraint(
                name="charge_has_minutes_and_price",
                condition=Q(minutes__gte=1, minutes__lte=MAX_CHARGE_MINUTES)
                & Q(rate_cents__gte=1, rate_cents__lte=MAX_RATE_CENTS, subtotal_cents__gte=1),
            ),
            CheckConstraint(
                name="charge_tax_is_of_its_rate",
                condition=Q(tax_rate__lte=TAX_UNITS)
                & LessThanOrEqual(F("tax_cents") * TAX_UNITS, F("subtotal_cents") * F("tax_rate") + TAX_UNITS // 2)
                & GreaterThan(
                    F("tax_cents") * TAX_UNITS + TAX_UNITS, F("subtotal_cents") * F("tax_rate") + TAX_UNITS // 2
                ),
            ),
            CheckConstraint(
                name="charge_total_is_the_sum", condition=Q(total_cents=F("subtotal_cents") + F("tax_cents"))
            ),
            CheckConstraint(name="charge_has_reason", condition=~Q(reason="")),
            CheckConstraint(
                name="charge_ends_whole",
                condition=Q(
                    status="proposed", ended_at__isnull=True, ended_by__isnull=True, representative__isnull=True
                )
                | Q(
                    status__in=["accepted", "declined"],
                    ended_at__isnull=False,
                    ended_by__isnull=False,
                    representative__isnull=False,
                )
                | Q(status="withdrawn", ended_at__isnull=False, ended_by__isnull=False, representative__isnull=True)
                & ~Q(note="")
                | Q(status="lapsed", ended_at__isnull=False, ended_by__isnull=True, representative__isnull=True),
            ),
        ]
        indexes = [models.Index(name="charges_to_lapse", fields=["expires_at"], condition=Q(status="proposed"))]

    def __str__(self) -> str:
        return f"{self.ticket_id} cobro {self.seq}"

    @property
    def is_accepted(self) -> bool:
        """Return whether the customer accepted the charge, so that work on it is billable."""
        return self.status == self.Status.ACCEPTED

    def find_state(self, instant: datetime) -> str:
        """Return the status that the charge had at an instant; an overdue one has lapsed, though no sweep ran (M18)."""
        if self.ended_at is not None and self.ended_at <= instant:
            return self.status
        ticket = self.ticket
        was_closed = ticket.is_closed and ticket.closed_at is not None and ticket.closed_at <= instant
        return self.Status.LAPSED if was_closed or instant > self.expires_at else self.Status.PROPOSED


class ChargeLine(models.Model):
    """Store one piece of work of a proposed charge; it is never changed and never deleted."""

    charge = ForeignKey(ChargeProposal, PROTECT, related_name="lines", verbose_name="propuesta")
    seq = models.PositiveIntegerField("número")
    work = models.CharField("trabajo", max_length=MAX_WORK)
    minutes = models.PositiveIntegerField("minutos")
    amount_cents = models.PositiveBigIntegerField("importe en centavos")

    class Meta:
        verbose_name = "renglón de la propuesta"
        verbose_name_plural = "renglones de la propuesta"
        constraints = [
            UniqueConstraint(fields=["charge", "seq"], name="one_charge_line_per_number"),
            CheckConstraint(name="charge_line_has_work", condition=Q(minutes__gte=1) & ~Q(work="")),
        ]

    def __str__(self) -> str:
        return self.work


class TimeQuerySet(models.QuerySet["TimeEntry"]):
    """Select noted minutes."""

    def sum_of(self, ticket_pks: Collection[int]) -> models.QuerySet["TimeEntry", Any]:
        """Select the one value that is the sum of these tickets' minutes that were not voided; no row if none are."""
        valid = self.filter(ticket__in=ticket_pks, voided_at=None).order_by()
        return valid.values("voided_at").annotate(total=models.Sum("minutes")).values("total")


class TimeEntry(models.Model):
    """Store minutes that an agent worked on a ticket; an entry is voided and never changed or deleted (M18).

    Without a `charge`, which must have been accepted before, the minutes are free.
    """

    ticket = ForeignKey(Ticket, PROTECT, related_name="time_entries", verbose_name="ticket")
    seq = models.PositiveIntegerField("número")  # 1, 2, 3… within the ticket
    agent = ForeignKey(User, PROTECT, related_name="+", verbose_name="agente")
    minutes = models.PositiveIntegerField("minutos")
    work = models.CharField("qué hizo", max_length=MAX_WORK)
    charge = ForeignKey(
        ChargeProposal, PROTECT, null=True, blank=True, related_name="time_entries", verbose_name="a cuenta de"
    )
    created_at = models.DateTimeField("anotado", default=clock.now)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)
    voided_at = models.DateTimeField("anulado", null=True, blank=True)
    voided_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="anuló")
    void_reason = models.CharField("por qué se anuló", max_length=MAX_NOTE, blank=True)

    objects = TimeQuerySet.as_manager()

    class Meta:
        verbose_name = "tiempo anotado"
        verbose_name_plural = "tiempos anotados"
        constraints = [
            UniqueConstraint(fields=["ticket", "seq"], name="one_time_entry_per_number"),
            CheckConstraint(
                name="time_entry_has_minutes_and_work",
                condition=Q(minutes__gte=1, minutes__lte=MAX_ENTRY_MINUTES) & ~Q(work=""),
            ),
            CheckConstraint(
                name="time_entry_voided_whole",
                condition=Q(voided_at__isnull=True, voided_by__isnull=True, void_reason="")
                | Q(voided_at__isnull=False, voided_by__isnull=False) & ~Q(void_reason=""),
            ),
        ]
        indexes = [models.Index(name="time_by_instant", fields=["created_at"])]

    def __str__(self) -> str:
        return f"{self.minutes} min"
