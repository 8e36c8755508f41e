"""The agent's composer: one form for a reply or an internal note, its files, and what happens on sending (M13–M16)."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from accounts.models import User
from factureya.core import attachments
from factureya.core.forms import FilesField, FilesMixin, Text
from factureya.core.models import Attachment
from tickets import formkeys, operations, policy
from tickets.admin_timeline import Entry, message_anchor, newer_than, note_anchor
from tickets.formkeys import FormKey
from tickets.models import Note, Ticket

REPLY, NOTE = "respuesta", "nota"
STALE_FORM = "La página venció y no se envió nada. Revise su texto y envíelo de nuevo."
# What an agent chooses on sending -> (wait_reason, proposes_solution); None leaves an Abierto ticket Abierto.
AFTER: dict[str, tuple[str | None, bool]] = {
    "detalle": (Ticket.WaitReason.DETAIL, False),
    "autorizacion": (Ticket.WaitReason.AUTHORIZATION, False),
    "confirmacion": (Ticket.WaitReason.AUTHORIZATION, True),
    "abierto": (None, False),
}
_WAITS = (
    ("detalle", "pedir detalle"),
    ("autorizacion", "pedir autorización"),
    ("confirmacion", "pedir confirmación"),
)


class ComposerForm(FilesMixin):
    """What an agent writes. A reply says what happens on sending; a note moves neither state nor clock."""

    kind = forms.ChoiceField(
        choices=[(REPLY, "Responder al cliente"), (NOTE, "Nota interna")],
        error_messages={
            "required": "Elija si responde al cliente o deja una nota interna.",
            "invalid_choice": "Elija si responde al cliente o deja una nota interna.",
        },
    )
    body = Text(label="Mensaje", required=False, rows=6)
    after = forms.ChoiceField(
        label="Al enviar",
        required=False,
        widget=forms.Select(attrs={"id": "after"}),
        error_messages={"invalid_choice": "Elija de la lista qué pasa al enviar."},
    )
    files = FilesField("Adjuntar")  # type: ignore[assignment]
    seen = forms.IntegerField(
        min_value=0,
        max_value=10**6,
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), STALE_FORM),
    )

    def __init__(self, ticket: Ticket, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial or first_values(ticket))
        self.fields["body"].widget.attrs["id"] = "body"
        self.fields["after"].choices = after_choices(ticket)  # type: ignore[attr-defined]

    @property
    def is_note(self) -> bool:
        """Whether the note's tab is chosen."""
        return bool(self["kind"].value() == NOTE)

    def clean(self) -> dict[str, Any]:
        """A text of its own message for each kind; the choice on sending is the reply's alone."""
        data = super().clean() or {}
        is_note = data.get("kind") == NOTE
        if is_note:
            self.errors.pop("after", None)
        elif not data.get("after") and "after" not in self.errors:
            self.add_error("after", "Elija qué pasa con el ticket al enviar su respuesta.")
        if not data.get("body") and "body" not in self.errors:
            self.add_error(
                "body", "Escriba la nota." if is_note else "Escriba la respuesta al cliente."
            )
        return data


class Composer:
    """The form with its one-time key and the files kept under it; a posted one can be sent."""

    def __init__(
        self,
        ticket: Ticket,
        agent: User,
        form: ComposerForm,
        key: FormKey,
        files: Sequence[Attachment] = (),
    ) -> None:
        self.ticket, self.agent, self.form, self.key, self.files = ticket, agent, form, key, files
        self.is_stale = False  # somebody wrote meanwhile: nothing was sent

    @classmethod
    def blank(cls, ticket: Ticket, agent: User) -> "Composer":
        """An empty one, for a page that is opened."""
        return cls(ticket, agent, ComposerForm(ticket), formkeys.new(agent, _form_of(ticket)))

    @classmethod
    def posted(
        cls, ticket: Ticket, agent: User, data: QueryDict, files: MultiValueDict[str, UploadedFile]
    ) -> "Composer":
        """What came in, with its files kept whatever else is wrong. «Quitar» takes a file away and sends nothing."""
        key = formkeys.read(data.get("key", ""), _form_of(ticket), agent)
        kept_under = key or formkeys.new(agent, _form_of(ticket))
        removed = attachments.discard(kept_under.key, data["quitar"]) if "quitar" in data else None
        refusals = attachments.store_all(files.getlist("files"), kept_under.key)[1]
        kept = attachments.drafts(kept_under.key)
        if removed is not None:
            return cls(ticket, agent, ComposerForm(ticket, initial=data.dict()), kept_under, kept)
        form = ComposerForm(ticket, data)
        form.take_files(kept, refusals)
        if key is None:
            form.add_error(None, STALE_FORM)
        return cls(ticket, agent, form, kept_under, kept)

    def send(self) -> str:
        """Do it; the anchor of what was written, or empty with the reason among the form's errors."""
        if not self.form.is_valid():
            return ""
        try:
            return self._note() if self.form.is_note else self._reply()
        except operations.NewerMessage as refusal:
            self.is_stale = True
            self._refused(refusal)
        except (operations.WrongStatus, operations.FilesGone, policy.NotAllowed) as refusal:
            self._refused(refusal)
            self.key = formkeys.after(refusal, self.key, self.agent)
            self.files = attachments.drafts(self.key.key)
        return ""

    def refresh(self, ticket: Ticket) -> None:
        """Show the ticket as it is now. After a newer message the text counts as written with it in sight."""
        self.ticket = ticket
        self.form.fields["after"].choices = after_choices(ticket)  # type: ignore[attr-defined]
        if self.is_stale:
            data = self.form.data.copy()  # type: ignore[attr-defined]
            data["seen"] = str(ticket.message_count)
            self.form.data = data

    def newer(self, entries: Sequence[Entry]) -> list[Entry]:
        """What the agent had not seen, when that is why nothing was sent."""
        return newer_than(entries, self.form.cleaned_data["seen"]) if self.is_stale else []

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        """What «Al enviar» offers: value, label, whether it is chosen."""
        chosen = self.form["after"].value() or ""
        return [(value, label, value == chosen) for value, label in after_choices(self.ticket)]

    def _refused(self, refusal: Exception) -> None:
        self.form.add_error(None, str(refusal))

    def _reply(self) -> str:
        data = self.form.cleaned_data
        wait_reason, proposes_solution = AFTER[data["after"]]
        ticket = operations.answer(
            self.ticket.pk, agent=self.agent, body=data["body"], wait_reason=wait_reason,
            proposes_solution=proposes_solution, files=self.files, seen=data["seen"], form_key=self.key.key,
        )  # fmt: skip
        return f"#{message_anchor(ticket.message_count)}"

    def _note(self) -> str:
        data = self.form.cleaned_data
        operations.add_note(
            self.ticket.pk,
            agent=self.agent,
            body=data["body"],
            files=self.files,
            form_key=self.key.key,
        )
        note = Note.objects.filter(form_key=self.key.key).only("pk").first()
        return f"#{note_anchor(note.pk)}" if note else "#escribir"


def first_values(ticket: Ticket) -> dict[str, Any]:
    """What a fresh form holds: the messages the agent has in sight, nothing chosen on sending."""
    return {
        "kind": NOTE if ticket.is_closed else REPLY,
        "seen": ticket.message_count,
        "after": "",
        "body": "",
    }


def after_choices(ticket: Ticket) -> list[tuple[str, str]]:
    """What may happen on sending. Nothing is chosen beforehand, as it starts a clock; Abierto only from Abierto."""
    start = "seguir En espera" if ticket.is_waiting else "pasar a En espera"
    choices = [("", "Elija…"), *((value, f"{start}: {label}") for value, label in _WAITS)]
    return choices if ticket.is_waiting else [*choices, ("abierto", "dejar Abierto")]


def _form_of(ticket: Ticket) -> str:
    return f"mesa:{ticket.number}"
