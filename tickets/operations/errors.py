"""Why an operation refused. Nothing was written; the text of each is for the person who asked."""


class WrongStatus(Exception):
    """The verb does not apply to the ticket as it is now; the other refusals here are kinds of it."""


class TicketClosed(WrongStatus):
    """The ticket is Cerrado, which is final (M12): what was written must open a ticket that continues it."""


class NewerMessage(WrongStatus):
    """Somebody wrote after the page was loaded; nothing was sent."""


class Incomplete(WrongStatus):
    """The verb lacks what it needs: the text, or the reason of the wait (M14)."""


class FormUsed(WrongStatus):
    """The form's one-time key was used before for something else; the text must be sent with a fresh form."""

    def __init__(self) -> None:
        super().__init__("Este formulario ya se había enviado. Revise lo que llegó y envíe su texto de nuevo.")


class FilesGone(ValueError):
    """A file of the form was purged or taken by another form meanwhile; it must be uploaded again."""
