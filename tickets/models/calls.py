"""Store phone calls: who called, who answered, and whether a mailed code proved who it was (M2, M4, M5)."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Index, Q, UniqueConstraint

from accounts.models import Customer, User
from factureya.core import clock
from factureya.core.models import Chained
from tickets.models.ticket import Ticket

MAX_NAME, MAX_PHONE = 150, 30  # characters
CODE_TRIES = 3
CODE_PERIOD = timedelta(minutes=10)
CALL_PERIOD = timedelta(hours=2)  # an open call that is older is over
VERIFIED_PERIOD = timedelta(hours=1)  # how long a code that was read back proves who is on the line


class Call(Chained):
    """Store one call. A call of a known contact is verified by a code; one of a stranger is only about sales (M4).

    The digest of the code is empty when none is in force: not mailed yet, or used. `ticket` is the one that the call
    was begun from; a third party's agent sees and changes nothing else by it (M3).
    """

    class Kind(models.TextChoices):
        SUPPORT = "support", "Soporte"
        SALES = "sales", "Ventas"

    agent = ForeignKey(User, PROTECT, related_name="+", verbose_name="la atiende")
    contact = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="quién llama")
    customer = ForeignKey(Customer, PROTECT, null=True, blank=True, related_name="+", verbose_name="empresa")
    kind = models.CharField("la llamada es de", max_length=10, choices=Kind, default=Kind.SUPPORT)
    ticket = ForeignKey(Ticket, PROTECT, null=True, blank=True, related_name="+", verbose_name="sobre el ticket")
    caller_name = models.CharField("nombre de quien llama", max_length=MAX_NAME, blank=True)
    caller_phone = models.CharField("teléfono de quien llama", max_length=MAX_PHONE, blank=True)
    note = models.TextField("qué le interesa", blank=True)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)
    started_at = models.DateTimeField("empezó", default=clock.now)
    ended_at = models.DateTimeField("terminó", null=True, blank=True)
    code_digest = models.CharField("huella del código", max_length=64, blank=True)
    code_to = models.EmailField("código enviado a", blank=True)
    code_sent_at = models.DateTimeField("código enviado", null=True, blank=True)
    code_tries = models.PositiveSmallIntegerField("códigos equivocados", default=0)
    verified_at = models.DateTimeField("comprobada", null=True, blank=True)
    handled_at = models.DateTimeField("atendida", null=True, blank=True)
    handled_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="la atendió")

    class Meta:
        verbose_name = "llamada"
        verbose_name_plural = "llamadas"
        constraints = [
            CheckConstraint(
                name="call_names_who_calls",
                condition=Q(contact__isnull=False, customer__isnull=False)
                | (
                    Q(kind="sales", contact__isnull=True, customer__isnull=True)
                    & ~Q(caller_name="")
                    & ~Q(caller_phone="")
                ),
                violation_error_message="Escriba el nombre y el teléfono de quien llama.",
            ),
            CheckConstraint(name="call_kind_is_known", condition=Q(kind__in=["support", "sales"])),
            CheckConstraint(name="call_code_has_three_tries", condition=Q(code_tries__lte=CODE_TRIES)),
            CheckConstraint(
                name="call_code_names_its_mailbox",
                condition=Q(code_digest="") | (~Q(code_to="") & Q(code_sent_at__isnull=False)),
            ),
            CheckConstraint(
                name="call_verified_has_contact_and_mailbox",
                condition=Q(verified_at__isnull=True) | (Q(contact__isnull=False, code_digest="") & ~Q(code_to="")),
            ),
            CheckConstraint(
                name="call_ends_after_it_starts", condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at"))
            ),
            CheckConstraint(
                name="call_handled_names_who",
                condition=Q(handled_at__isnull=True, handled_by__isnull=True)
                | Q(handled_at__isnull=False, handled_by__isnull=False),
            ),
            UniqueConstraint(
                name="one_open_call_per_agent_and_contact",
                fields=["agent", "contact"],
                condition=Q(ended_at__isnull=True, contact__isnull=False),
            ),
        ]
        indexes = [Index(name="sales_calls", fields=["-id"], condition=Q(contact__isnull=True))]

    def __str__(self) -> str:
        return f"llamada {self.pk}"

    @property
    def chain(self) -> str:
        """Return the name of the chain of the call's events."""
        return f"call:{self.pk}"

    @property
    def code_ends_at(self) -> datetime | None:
        """Return until when the mailed code works, or None if none is in force."""
        return self.code_sent_at + CODE_PERIOD if self.code_digest and self.code_sent_at else None

    @property
    def has_code(self) -> bool:
        """Return whether the caller can still read the mailed code to us: unused, in time, and with tries left (M5)."""
        ends_at = self.code_ends_at
        return ends_at is not None and clock.now() <= ends_at and self.code_tries < CODE_TRIES

    @property
    def is_open(self) -> bool:
        """Return whether the call goes on: nobody ended it, and it is not older than CALL_PERIOD."""
        return self.ended_at is None and clock.now() < self.started_at + CALL_PERIOD

    @property
    def is_verified(self) -> bool:
        """Return whether the caller read a code back in this open call, less than VERIFIED_PERIOD ago (M5)."""
        return self.is_open and self.verified_at is not None and clock.now() < self.verified_at + VERIFIED_PERIOD
