"""What a person wrote, how it is stored once, and the files that come with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from factureya.core.clock import now
from factureya.core.mail import own_links
from factureya.core.models import Attachment, InboundMessage
from tickets.models import Message, Note, Ticket, TicketFile
from tickets.operations.errors import FilesGone, FormUsed, Incomplete


@dataclass(frozen=True)
class Draft:
    """A public message before it is written: who, what, the files uploaded with it, the form's one-time key.

    `inbound` is the mail it came in, for a message that came by mail. A link of ours that was pasted into the text
    is cut out of it: whoever reads the message may be somebody else than whom the link is for (M16).
    """

    author: User
    side: str
    channel: str
    body: str
    files: Sequence[Attachment] = ()
    form_key: str | None = None
    model: type[Message] | type[Note] = Message
    inbound: InboundMessage | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", own_links.cut_links(self.body))

    @property
    def trace(self) -> dict[str, Any]:
        """What the event says of the mail the message came in: which one, and from which registered address."""
        if self.inbound is None:
            return {}
        return {"inbound": self.inbound.pk, "sender": self.inbound.sender}

    def require_text(self, message: str) -> None:
        """Raise Incomplete when nothing was written."""
        if not self.body.strip():
            raise Incomplete(message)

    def repeats(self, ticket: Ticket) -> bool:
        """Whether this very form was received before, for this ticket, from this person, with this text.

        Raises FormUsed when its key was used for anything else, so that no second text is swallowed.
        """
        first = self._first()
        if first is not None and first != self._here(ticket):
            raise FormUsed
        return first is not None or self._confirmed(ticket)

    def was_received(self, ticket: Ticket) -> bool:
        """Like `repeats`, but a key used for anything else is just no repetition."""
        return self._first() == self._here(ticket) or self._confirmed(ticket)

    def is_used(self) -> bool:
        """Whether a message or note bears the form's key."""
        return self._first() is not None

    def _here(self, ticket: Ticket) -> tuple[int, int, str]:
        return ticket.pk, self.author.pk, self.body

    def _first(self) -> tuple[int, int, str] | None:
        """Ticket, author and text of the first form with this key."""
        if self.form_key is None:
            return None
        written = self.model._default_manager.filter(form_key=self.form_key)
        return written.values_list("ticket_id", "author_id", "body").first()

    def _confirmed(self, ticket: Ticket) -> bool:
        """A confirmation without a text leaves no message; its key is in the event."""
        if self.form_key is None or self.body:
            return False
        return ticket.events().filter(actor=self.author, data__form_key=self.form_key).exists()


def write(ticket: Ticket, draft: Draft) -> Message:
    """Append a public message and its files; the ticket's own columns are set, not saved."""
    touch(ticket, draft)
    return add_message(ticket, draft)


def touch(ticket: Ticket, draft: Draft) -> None:
    """What a new message changes in the ticket's columns: order, excerpt, whose turn."""
    ticket.message_count += 1
    ticket.touched_at = now()
    ticket.last_excerpt = " ".join(draft.body.split())[:100]
    ticket.customer_replied = draft.side == Message.Side.CUSTOMER and ticket.first_replied_at is not None
    if draft.side == Message.Side.STAFF:
        ticket.reply_due_at = ticket.customer_waits_since = None


def add_message(ticket: Ticket, draft: Draft) -> Message:
    """Insert the public message that `touch` made room for. IntegrityError when the form's key is used."""
    message = Message.objects.create(
        ticket=ticket,
        seq=ticket.message_count,
        side=draft.side,
        author=draft.author,
        author_name=draft.author.get_full_name(),
        channel=draft.channel,
        body=draft.body,
        created_at=ticket.touched_at,
        form_key=draft.form_key,
        inbound=draft.inbound,
    )
    _attach(ticket, draft, message=message)
    return message


def add_internal_note(ticket: Ticket, draft: Draft) -> Note:
    """Insert an internal note, which no page or mail of the customer's reads (M16)."""
    note = Note.objects.create(
        ticket=ticket,
        author=draft.author,
        author_name=draft.author.get_full_name(),
        body=draft.body,
        created_at=now(),
        form_key=draft.form_key,
    )
    _attach(ticket, draft, note=note)
    return note


def _attach(ticket: Ticket, draft: Draft, *, message: Message | None = None, note: Note | None = None) -> None:
    """Give the uploaded files to a message or a note; each can be given once. Raises FilesGone."""
    pks = list(dict.fromkeys(attachment.pk for attachment in draft.files))
    if not pks:
        return
    if Attachment.objects.filter(pk__in=pks).exclude(draft="").update(draft="") != len(pks):
        raise FilesGone("Un archivo ya no está disponible; súbalo de nuevo.")
    TicketFile.objects.bulk_create(
        TicketFile(ticket=ticket, message=message, note=note, attachment_id=attachment) for attachment in pks
    )
