"""Store the ticket itself: its columns, what the database refuses, and the indexes of its lists (M10, M12–M16)."""

import unicodedata
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.utils.text import capfirst

from accounts.models import Customer, Provider, User
from factureya.core import clock, locking, numbers
from factureya.core.models import Chained, InboundMessage, OutboxMessage
from tickets.catalogue.models import Scope, Team
from tickets.catalogue.reading import describe_category

NUMBER_PREFIX = "FY"
MAX_SEARCH_WORDS = 200  # characters
_UNMERGED = Q(merged_into__isnull=True)  # of every index of tickets that are not Cerrado, as of their lists (M11)


class TicketQuerySet(models.QuerySet["Ticket"]):
    """Select tickets: those a person may see, and those that a sweep must act on."""

    def visible_to(self, user: Any) -> "TicketQuerySet":
        """Select the tickets this person may see (M3, M16).

        A contact sees the company's tickets, or only his own if so limited. Staff see the tickets of the providers at
        whose desks they hold an office now, as agent or supervisor; a superuser without one sees none. Auditoría and
        an emergency account inside its window see all (M26).
        """
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.reads_all:
            return self.all()
        if user.is_staff:
            providers = user.desk_provider_ids
            return self.filter(provider_id__in=providers) if providers else self.none()
        membership = user.membership
        if membership is None:
            return self.none()
        company_tickets = self.filter(customer_id=membership.customer_id)
        return company_tickets.filter(requester_id=user.pk) if membership.own_tickets_only else company_tickets

    def find_by_number(self, text: str) -> "Ticket | None":
        """Return the ticket of this query with the number that a person typed; None if mistyped or not there."""
        try:
            return self.filter(number=numbers.parse_number(NUMBER_PREFIX, text)).first()
        except numbers.InvalidNumber:
            return None

    def unmerged(self) -> "TicketQuerySet":
        """Select the tickets that are not merged into another: only these stand in queues, lists and sweeps (M11)."""
        return self.filter(merged_into__isnull=True)

    def find_survivor_pk(self, pk: int) -> int:
        """Return the key of the ticket to which a ticket's number leads: its own key, unless it is merged (M11)."""
        target: int | None = pk
        while target is not None:
            pk = target
            target = Ticket.objects.filter(pk=pk).values_list("merged_into_id", flat=True).first()
        return pk

    def lock_survivor(self, pk: int) -> "Ticket":
        """Lock the ticket to which the number of the ticket `pk` leads; read it with these columns; return it (M11).

        If a ticket is merged by the time we have its lock, we release it before we wait for the next, so that nobody
        holds a lock that a merge waits for. The caller has opened the transaction. Raises Ticket.DoesNotExist.
        """
        target = pk
        while True:
            savepoint = transaction.savepoint()
            ticket = locking.lock(self, target)
            if not ticket.is_merged and (target == pk or self.find_survivor_pk(pk) == target):
                transaction.savepoint_commit(savepoint)
                return ticket
            transaction.savepoint_rollback(savepoint)  # it releases the lock
            target = self.find_survivor_pk(pk)

    def due_to_warn(self, instant: Any) -> "TicketQuerySet":
        """Select tickets En espera to remind: they close by `instant`, unless reminded or the close is held (M15)."""
        return self.unmerged().filter(
            status=Ticket.Status.WAITING, reminder__isnull=True, close_held_at=None, closes_at__lte=instant
        )

    def due_to_close(self, instant: Any) -> "TicketQuerySet":
        """Select tickets En espera whose time passed before `instant`, for the sweep that closes or reminds (M15).

        Those whose close is held, or whose reminder waits in the outbox or failed, are left out.
        """
        due = self.unmerged().filter(status=Ticket.Status.WAITING, close_held_at__isnull=True, closes_at__lt=instant)
        return due.filter(Q(reminder__isnull=True) | Q(reminder__status=OutboxMessage.Status.SENT))


class Ticket(Chained):
    """Store one problem of one customer, from *Abierto* to *Cerrado* (M10, M12–M16)."""

    class Status(models.TextChoices):
        OPEN = "open", "Abierto"
        WAITING = "waiting", "En espera"
        CLOSED = "closed", "Cerrado"

    class WaitReason(models.TextChoices):
        DETAIL = "detail", "Detalle"
        AUTHORIZATION = "authorization", "Autorización"

    class ClosedReason(models.TextChoices):
        CONFIRMED = "confirmed", "Confirmado por el cliente"
        UNANSWERED = "unanswered", "Sin respuesta"

    class Channel(models.TextChoices):
        PORTAL = "portal", "Portal"
        MAIL = "mail", "Correo"
        PHONE = "phone", "Teléfono"

    class Category(models.TextChoices):
        """Name the categories of the beginning; a supervisor edits the catalogue (`tickets.catalogue`)."""

        STAMPING = "stamping", "Timbrado de CFDI"
        CANCELLATION = "cancellation", "Cancelación"
        ACCESS = "access", "Acceso al sistema"
        CREDITS = "credits", "Créditos y paquetes"
        SALES = "sales", "Ventas"
        REQUESTS = "requests", "Solicitudes"  # for agents; not on the customer's form
        OTHER = "other", "Otro tema del servicio"

    class HoldReason(models.TextChoices):
        """Say why a ticket does not close by silence until an agent says so."""

        BOUNCE = "bounce", "Un correo al cliente no se entregó"
        TOO_MANY_MAILS = "flips", "El cliente escribió muchas veces en una hora"

    class Impact(models.IntegerChoices):
        QUESTION = 1, "Es una duda o consulta"
        DIFFICULT = 2, "Puedo facturar, pero con dificultad"
        BLOCKED = 3, "No puedo facturar"

    # Short texts that are typed when a ticket is opened; the forms ask for each and the pages show it.
    FACTS = ("cfdi_uuid",)

    number = models.CharField("número de seguimiento", max_length=12, unique=True)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="tickets", verbose_name="empresa")
    requester = models.ForeignKey(User, models.PROTECT, related_name="requested_tickets", verbose_name="solicitante")
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="+", verbose_name="prestador")
    assignee = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="assigned_tickets", verbose_name="lo atiende"
    )
    subject = models.CharField("asunto", max_length=120)
    category = models.CharField("categoría", max_length=20)  # the slug of a row of the catalogue
    team = models.CharField("equipo", max_length=10, choices=Team, default=Team.SUPPORT)  # of its category (M4)
    impact = models.PositiveSmallIntegerField("impacto", choices=Impact)
    channel = models.CharField("canal", max_length=10, choices=Channel)
    cfdi_uuid = models.CharField("folio fiscal", max_length=36, blank=True)
    follows = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="followed_by", verbose_name="continúa a"
    )
    # A merge is this pointer and its instant, nothing else (M11); the ticket keeps its status and its messages.
    # Its index is below: one of every NULL too would be taken for the sweeps, which must not read all tickets.
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="merged_tickets",
        verbose_name="combinado con",
    )
    merged_at = models.DateTimeField("combinado desde", null=True, blank=True)
    # The message that was split off another ticket and stands here since; its row stays where it was written (M11).
    split_from = models.OneToOneField(
        "Message", models.PROTECT, null=True, blank=True, related_name="split_ticket", verbose_name="separado de"
    )

    status = models.CharField("estado", max_length=10, choices=Status, default=Status.OPEN)
    wait_reason = models.CharField("qué se espera", max_length=15, choices=WaitReason, null=True, blank=True)
    # When the answer that is waiting proposes a solution: the customer reads «Confirme si quedó resuelto» (M14).
    # What the last answer said is not our service; empty when it said no such thing (M9).
    out_of_scope = models.CharField("fuera de alcance", max_length=10, choices=Scope, null=True, blank=True)
    solution_proposed_at = models.DateTimeField("solución propuesta", null=True, blank=True)
    waiting_since = models.DateTimeField("en espera desde", null=True, blank=True)
    closes_at = models.DateTimeField("se cierra si no hay respuesta", null=True, blank=True)
    reminder = models.OneToOneField(
        OutboxMessage, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="recordatorio"
    )
    closed_at = models.DateTimeField("cerrado", null=True, blank=True)
    closed_reason = models.CharField("por qué se cerró", max_length=12, choices=ClosedReason, null=True, blank=True)
    # The mail that was received in time and read late: the only way out of Cerrado (M15).
    voided_by = models.ForeignKey(
        InboundMessage, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="cierre anulado por"
    )
    close_held_at = models.DateTimeField("cierre detenido", null=True, blank=True)
    close_held_reason = models.CharField("por qué se detuvo", max_length=10, choices=HoldReason, null=True, blank=True)

    opened_at = models.DateTimeField("levantado", default=clock.now)
    touched_at = models.DateTimeField("último movimiento", default=clock.now)  # orders the customer's lists
    # The queue's goal (*Meta*): when our next reply is due; empty when nothing is owed.
    reply_due_at = models.DateTimeField("meta de respuesta", null=True, blank=True)
    first_replied_at = models.DateTimeField("primera respuesta", null=True, blank=True)
    queue_at = models.DateTimeField("orden en la cola")  # open: goal; waiting: closes_at; closed: closed_at
    # The customer wrote after our last public reply; since when he waits for us.
    customer_replied = models.BooleanField("respondió el cliente", default=False)
    customer_waits_since = models.DateTimeField("nos espera desde", null=True, blank=True)
    message_count = models.PositiveIntegerField("mensajes", default=0)
    last_excerpt = models.CharField("último mensaje", max_length=100, blank=True)
    search_words = models.CharField(
        "para buscar", max_length=MAX_SEARCH_WORDS, blank=True
    )  # subject, lower case, no accents

    objects = TicketQuerySet.as_manager()

    class Meta:
        verbose_name = "ticket"
        verbose_name_plural = "tickets"
        constraints = [
            models.CheckConstraint(
                name="waiting_has_reason_and_instant",
                condition=Q(
                    status="waiting", wait_reason__isnull=False, waiting_since__isnull=False, closes_at__isnull=False
                )
                | ~Q(status="waiting"),
                violation_error_message="Indique qué se espera del cliente.",
            ),
            models.CheckConstraint(
                name="only_waiting_has_wait_reason",
                condition=Q(status="waiting")
                | Q(status="open", wait_reason__isnull=True, closes_at__isnull=True, reminder__isnull=True)
                | Q(status="closed"),
            ),
            models.CheckConstraint(
                name="closed_has_reason_and_instant",
                condition=Q(status="closed", closed_reason__isnull=False, closed_at__isnull=False)
                | (~Q(status="closed") & Q(closed_reason__isnull=True, closed_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="unanswered_only_after_closes_at",
                condition=~Q(closed_reason="unanswered")
                | Q(closed_reason="unanswered", closes_at__isnull=False, closed_at__gt=F("closes_at")),
            ),
            models.CheckConstraint(
                name="unanswered_has_reminder",
                condition=~Q(closed_reason="unanswered") | Q(closed_reason="unanswered", reminder__isnull=False),
            ),
            models.CheckConstraint(
                name="only_a_wait_is_held",
                condition=Q(close_held_at__isnull=True, close_held_reason__isnull=True)
                | Q(
                    status="waiting",
                    close_held_at__isnull=False,
                    close_held_reason__isnull=False,
                    close_held_reason__in=["bounce", "flips"],
                ),
            ),
            models.CheckConstraint(name="status_is_known", condition=Q(status__in=["open", "waiting", "closed"])),
            models.CheckConstraint(
                name="wait_reason_is_known",
                condition=Q(wait_reason__isnull=True) | Q(wait_reason__in=["detail", "authorization"]),
            ),
            models.CheckConstraint(
                name="closed_reason_is_known",
                condition=Q(closed_reason__isnull=True) | Q(closed_reason__in=["confirmed", "unanswered"]),
            ),
            models.CheckConstraint(
                name="out_of_scope_is_known",
                condition=Q(out_of_scope__isnull=True) | Q(out_of_scope__in=["internet", "equipment"]),
            ),
            models.CheckConstraint(
                name="out_of_scope_asks_confirmation",
                condition=Q(out_of_scope__isnull=True)
                | (~Q(status="open") & Q(wait_reason="authorization", solution_proposed_at__isnull=False)),
            ),
            models.CheckConstraint(name="ticket_does_not_follow_itself", condition=~Q(follows=F("id"))),
            models.CheckConstraint(name="ticket_is_not_merged_into_itself", condition=~Q(merged_into=F("id"))),
            models.CheckConstraint(
                name="merged_has_instant",
                condition=Q(merged_into__isnull=True, merged_at__isnull=True)
                | Q(merged_into__isnull=False, merged_at__isnull=False),
            ),
            models.CheckConstraint(
                name="closed_is_not_merged", condition=~Q(status="closed") | Q(merged_into__isnull=True)
            ),
        ]
        # One partial index per view of the queue and of the customer's list; `closes_at` twice for the sweeps.
        indexes = [
            models.Index(
                name="queue_open", fields=["provider", "queue_at", "id"], condition=Q(status="open") & _UNMERGED
            ),
            models.Index(
                name="queue_waiting", fields=["provider", "queue_at", "id"], condition=Q(status="waiting") & _UNMERGED
            ),
            models.Index(name="queue_closed", fields=["provider", "-queue_at", "-id"], condition=Q(status="closed")),
            models.Index(
                name="queue_closed_category",
                fields=["provider", "category", "-queue_at", "-id"],
                condition=Q(status="closed"),
            ),
            models.Index(
                name="queue_closed_agent",
                fields=["provider", "assignee", "-queue_at", "-id"],
                condition=Q(status="closed"),
            ),
            models.Index(
                name="queue_unassigned",
                fields=["provider", "queue_at", "id"],
                condition=Q(assignee__isnull=True) & ~Q(status="closed") & _UNMERGED,
            ),
            models.Index(
                name="queue_mine",
                fields=["provider", "assignee", "queue_at", "id"],
                condition=~Q(status="closed") & _UNMERGED,
            ),
            models.Index(
                name="queue_replied",
                fields=["provider", "assignee", "queue_at", "id"],
                condition=Q(status="open", customer_replied=True) & _UNMERGED,
            ),
            models.Index(
                name="list_active", fields=["customer", "-touched_at", "-id"], condition=~Q(status="closed") & _UNMERGED
            ),
            models.Index(name="list_closed", fields=["customer", "-touched_at", "-id"], condition=Q(status="closed")),
            models.Index(
                name="list_mine_active",
                fields=["requester", "-touched_at", "-id"],
                condition=~Q(status="closed") & _UNMERGED,
            ),
            models.Index(
                name="list_mine_closed", fields=["requester", "-touched_at", "-id"], condition=Q(status="closed")
            ),
            models.Index(name="merged_tickets", fields=["merged_into"], condition=Q(merged_into__isnull=False)),
            models.Index(name="ticket_by_folio", fields=["cfdi_uuid"], condition=~Q(cfdi_uuid="")),
            # All that a sweep reads, so that with nothing due it touches no table, however many tickets there are.
            models.Index(
                name="sweep_close",
                fields=["closes_at", "reminder", "id"],
                condition=Q(status="waiting", close_held_at__isnull=True) & _UNMERGED,
            ),
            models.Index(
                name="sweep_warn",
                fields=["closes_at", "id"],
                condition=Q(status="waiting", reminder__isnull=True, close_held_at__isnull=True) & _UNMERGED,
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def chain(self) -> str:
        """Return the name of the ticket's event chain."""
        return chain_of(self.number)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return the label and the value of each optional short text, such as the fiscal folio, that was typed."""
        typed = [(field, getattr(self, field.name)) for field in self._meta.fields if field.name in self.FACTS]
        return [(capfirst(str(field.verbose_name)), value) for field, value in typed if value]

    @property
    def category_label(self) -> str:
        """Return what the ticket is about, in the words that its category had when it was chosen."""
        return describe_category(self.category)

    @property
    def is_open(self) -> bool:
        """Return whether the ticket is Abierto: Factureya's turn (M13)."""
        return self.status == self.Status.OPEN

    @property
    def is_waiting(self) -> bool:
        """Return whether the ticket is En espera: the customer's turn (M14)."""
        return self.status == self.Status.WAITING

    @property
    def is_closed(self) -> bool:
        """Return whether the ticket is Cerrado, which is final (M12)."""
        return self.status == self.Status.CLOSED

    @property
    def is_merged(self) -> bool:
        """Return whether the ticket is merged into another, which takes its messages since (M11)."""
        return self.merged_into_id is not None

    def find_survivor(self) -> "Ticket":
        """Return the ticket that takes this one's messages: itself, unless it is merged (M11)."""
        return Ticket.objects.get(pk=Ticket.objects.find_survivor_pk(self.pk)) if self.is_merged else self

    @property
    def asks_confirmation(self) -> bool:
        """Return whether the customer is asked «Confirme si quedó resuelto» (M14)."""
        return self.is_waiting and self.solution_proposed_at is not None


def chain_of(number: str) -> str:
    """Return the name of the event chain of the ticket with this number."""
    return f"ticket:{number}"


def searchable(text: str) -> str:
    """Return the text as a search compares it: lower case, without accents, with single spaces.

    It is cut to what the column `search_words` holds, because one character may become eighteen (U+FDFA).
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(char))
    return " ".join(plain.split())[:MAX_SEARCH_WORDS]
