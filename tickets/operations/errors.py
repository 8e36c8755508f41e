"""Define the refusals that only tickets have; the tree is `core.refusals`."""

from factureya.core.refusals import FilesGone, FormUsed, Stale, WrongStatus

__all__ = ["FilesGone", "FormUsed", "Incomplete", "NewerMessage", "TicketClosed", "WrongStatus"]


class TicketClosed(WrongStatus):
    """Say that the ticket is Cerrado, which is final (M12): what was written must open a ticket that continues it."""


class NewerMessage(Stale):
    """Say that somebody wrote after the page was opened; nothing was sent."""


class Incomplete(WrongStatus):
    """Say that the operation lacks what it needs: the text, or the reason of the wait (M14)."""
