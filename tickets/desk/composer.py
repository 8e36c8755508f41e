"""Take what an agent composes: a reply and an internal note with their files, and what happens on sending (M13–M16)."""

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict

from accounts.models import User
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import REMOVE, renew_used_key
from factureya.core.files import store
from factureya.core.forms import FilesField, FilesMixin, Text
from factureya.core.models import Attachment
from factureya.core.refusals import Refused, Stale
from tickets import operations
from tickets.catalogue.models import Scope
from tickets.desk.pages import require_agent
from tickets.desk.queue import may_be_key
from tickets.desk.timeline import Entry, message_anchor, note_anchor, select_newer
from tickets.models import Note, Ticket

REPLY, NOTE = "respuesta", "nota"
STALE_FORM = "La página venció y no se envió nada. Revise su texto y envíelo de nuevo."
NO_REPLY = "Escriba la respuesta al cliente."
# What an agent chooses on sending -> (wait_reason, proposes_solution); None leaves an Abierto ticket Abierto.
AFTER: dict[str, tuple[str | None, bool]] = {
    "detalle": (Ticket.WaitReason.DETAIL, False),
    "autorizacion": (Ticket.WaitReason.AUTHORIZATION, False),
    "confirmacion": (Ticket.WaitReason.AUTHORIZATION, True),
    "abierto": (None, False),
}
# The same, when the answer says that the problem is not of our service (M9).
OUT_OF_SCOPE = {"fuera-internet": Scope.INTERNET, "fuera-equipo": Scope.EQUIPMENT}
_WAITS = (
    ("detalle", "pedir detalle"),
    ("autorizacion", "pedir autorización"),
    ("confirmacion", "pedir confirmación"),
    ("fuera-internet", "fuera de alcance, internet"),
    ("fuera-equipo", "fuera de alcance, equipo"),
)


class ComposerForm(FilesMixin):
    """Ask what an agent writes: a reply and an internal note, each with text and files; `kind` says which is sent."""

    kind = forms.ChoiceField(
        choices=[(REPLY, "Responder al cliente"), (NOTE, "Nota interna")],
        error_messages={
            "required": "Elija si responde al cliente o deja una nota interna.",
            "invalid_choice": "Elija si responde al cliente o deja una nota interna.",
        },
    )
    body = Text(label="Respuesta", required=False, rows=6)
    note = Text(label="Nota interna", required=False, rows=6)
    after = forms.ChoiceField(
        label="Al enviar",
        required=False,
        widget=forms.Select(attrs={"id": "after", "aria-describedby": "after_help"}),
        error_messages={"invalid_choice": "Elija de la lista qué pasa al enviar."},
    )
    files = FilesField("Adjuntar")  # type: ignore[assignment]
    note_files = FilesField("Adjuntar a la nota")
    seen = forms.IntegerField(
        min_value=0,
        max_value=10**6,
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), STALE_FORM),
    )

    def __init__(self, ticket: Ticket, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial={**build_first_values(ticket), **(initial or {})})
        for name in ("body", "note"):
            self.fields[name].widget.attrs["id"] = name
        self.fields["after"].choices = build_after_choices(ticket)  # type: ignore[attr-defined]

    @property
    def is_note(self) -> bool:
        return bool(self["kind"].value() == NOTE)

    @property
    def texts(self) -> dict[str, str]:
        """Return both texts as they were typed, whichever is sent."""
        return {name: str(self[name].value() or "") for name in ("body", "note")}

    def clean(self) -> dict[str, Any]:
        """Require the text of what the agent sends, a note or a reply. For a reply, also require `after`.

        `after` is what happens to the ticket. Errors in the fields of the text that he does not send are dropped.
        """
        data = super().clean() or {}
        if data.get("kind") == NOTE:
            text_field, missing, unsent_fields = "note", "Escriba la nota.", ["after", "body"]
        else:
            text_field, missing, unsent_fields = "body", NO_REPLY, ["note"]
        for unsent_field in unsent_fields:
            self.errors.pop(unsent_field, None)
        if text_field == "body" and not data.get("after") and "after" not in self.errors:
            self.add_error("after", "Elija qué pasa con el ticket al enviar su respuesta.")
        has_explanation = text_field == "body" and data.get("after") in OUT_OF_SCOPE
        if not data.get(text_field) and text_field not in self.errors and not has_explanation:
            self.add_error(text_field, missing)
        return data


@dataclass
class Tab:
    """Hold one of the two tabs: the one-time key of what is written there, and the files kept under it."""

    key: FormKey
    files: list[Attachment]

    @property
    def form_key(self) -> str:
        """Return the one-time key as text: the tab's files and what it sends are stored with it."""
        return self.key.key


class Composer:
    """Hold the form with its two tabs and what the agent chose beside it; a posted one can be sent.

    Whatever button of the ticket's page is pressed, the whole form arrives: what is not sent by it is kept in the
    session (`keep`) and shown again, so no word and no file is lost (M17).
    """

    def __init__(
        self, ticket: Ticket, agent: User, form: ComposerForm, reply: Tab, note: Tab, draft_reason: str = ""
    ) -> None:
        self.ticket, self.agent, self.form, self.reply, self.note = ticket, agent, form, reply, note
        self.is_recovered = draft_reason == form_memory.RECOVERED
        self.is_stale = False  # somebody wrote meanwhile: nothing was sent
        self.has_new_explanation = False  # a supervisor changed what he would have sent: nothing was sent
        self.unsaved_properties: dict[str, str] = {}  # chosen and not saved when a session ended

    @classmethod
    def opened(cls, ticket: Ticket, agent: User, session: MutableMapping[str, Any]) -> "Composer":
        """Return the form to reply to a ticket or to leave a note, for its page when an agent opens it.

        It is empty, or has the texts, files and properties that the agent's session kept because they were not sent.
        """
        form_name = _name_form(ticket)
        draft = form_memory.find_draft(session, agent, form_name)
        if draft is None:
            reply, note = Tab(form_memory.new_key(agent, form_name), []), Tab(form_memory.new_key(agent, form_name), [])
            return cls(ticket, agent, ComposerForm(ticket), reply, note)
        reply_key, fields, draft_reason = draft
        note_key = _read_key(fields.get("note_key", ""), ticket, agent)
        # `seen`, how many messages the agent has read, is not restored: the page shows the ticket as it is now.
        kept_fields = {name: text for name, text in fields.items() if name != "seen"}
        reply, note = (Tab(key, form_memory.list_files(key.key)) for key in (reply_key, note_key))
        composer = cls(ticket, agent, ComposerForm(ticket, initial=kept_fields), reply, note, draft_reason)
        composer.unsaved_properties = {  # what he chose in the lists and did not save; `…_was`: what the page had shown
            name: fields.get(name, "")
            for name in ("assignee", "category", "impact")
            if fields.get(name, "") != fields.get(f"{name}_was", "")
        }
        composer.move_reply_if_closed()  # to the note, as a ticket that is Cerrado takes no reply
        return composer

    @classmethod
    def posted(
        cls, ticket: Ticket, agent: User, data: QueryDict, files: MultiValueDict[str, UploadedFile]
    ) -> "Composer":
        """Return the form that an agent posted from a ticket's page; its files are stored even if a field is wrong.

        «Quitar» (REMOVE) deletes a stored file; the form is then shown without errors. A form with a bad one-time key
        gets a new key and an error.
        """
        is_key_good = form_memory.read_key(data.get("key", ""), _name_form(ticket), agent) is not None
        if "note" not in data and data.get("kind") == NOTE:
            data = data.copy()  # posted from a page of an older release: both tabs used the field `body`
            data["note"], data["body"] = data.get("body", ""), ""
        reply_key, note_key = (_read_key(data.get(name, ""), ticket, agent) for name in ("key", "note_key"))
        refusals: dict[str, list[Any]] = {}  # why a file was refused
        for name, key in {"files": reply_key, "note_files": note_key}.items():
            if token := data.get(REMOVE):  # he pressed «Quitar»
                store.discard_file(key.key, token)
            _, refusals[name] = store.store_uploads(files.getlist(name), key.key)
        reply, note = (Tab(key, form_memory.list_files(key.key)) for key in (reply_key, note_key))
        if REMOVE in data:
            return cls(ticket, agent, ComposerForm(ticket, initial=data.dict()), reply, note)
        form = ComposerForm(ticket, data)
        form.take_files(reply.files, refusals["files"])
        for refusal in refusals["note_files"]:
            form.add_error("note_files", str(refusal))
        if not is_key_good:
            form.add_error(None, STALE_FORM)
        return cls(ticket, agent, form, reply, note)

    def send(self) -> str:
        """Send the reply or write the note, as the agent chose, and return its anchor on the ticket's page.

        If it was refused, or somebody wrote meanwhile, return "". The form then has the reason as an error.
        """
        if not self.form.is_valid():
            return ""
        tab = self.note if self.form.is_note else self.reply
        try:
            return self._write_note() if self.form.is_note else self._send_reply()
        except operations.NewerMessage as refusal:
            self.is_stale = True
            self.form.add_error(None, str(refusal))
        except Stale as refusal:
            self.has_new_explanation = True
            self.form.add_error(refusal.field, str(refusal))
        except Refused as refusal:
            self.form.add_error(None, str(refusal))
            tab.key = renew_used_key(refusal, tab.key, self.agent)
            tab.files = form_memory.list_files(tab.form_key)
        return ""

    def keep(self, session: MutableMapping[str, Any], sent: str = "") -> None:
        """Keep the texts and files of both tabs in the agent's session, except what was `sent`: REPLY, NOTE or "".

        The tab that was sent gets a new one-time key. The next page shows the tab that he chose, or the other if only
        that one has a text or files left. If none has any, the session forgets the form.
        """
        texts = self.form.texts
        reply, note = self.reply, self.note
        if sent == REPLY:
            texts["body"], reply = "", Tab(form_memory.new_key(self.agent, reply.key.form), [])
        elif sent == NOTE:
            texts["note"], note = "", Tab(form_memory.new_key(self.agent, note.key.form), [])
        has_reply, has_note = bool(texts["body"] or reply.files), bool(texts["note"] or note.files)
        if not (has_reply or has_note):
            form_memory.forget_form(session, reply.key.form)
            return
        shows_note = has_note and (self.form.is_note or not has_reply)
        after = "" if sent == REPLY else str(self.form["after"].value() or "")  # what happens to the ticket
        kind = NOTE if shows_note else REPLY
        fields = {**texts, "kind": kind, "after": after, "note_key": note.key.token}
        form_memory.keep_draft(session, reply.key, fields, reason=form_memory.SET_ASIDE)

    def refresh(self, ticket: Ticket) -> None:
        """Fit the form to the ticket as it is now, before the page is shown again.

        If a newer message stopped the reply, the page shows that message, and the next try counts it as read.
        """
        self.ticket = ticket
        self.form.fields["after"].choices = build_after_choices(ticket)  # type: ignore[attr-defined]
        self.move_reply_if_closed()
        if self.is_stale:
            self._set_fields(seen=str(ticket.message_count))

    def move_reply_if_closed(self) -> None:
        """If the ticket is Cerrado, add an unsent reply and its files to the note, because no reply can be sent."""
        texts = self.form.texts
        if not self.ticket.is_closed or not (texts["body"] or self.reply.files):
            return
        self._set_fields(kind=NOTE, body="", note="\n\n".join(filter(None, (texts["note"], texts["body"]))))
        store.move_files(self.reply.form_key, self.note.form_key)
        self.note.files, self.reply.files = form_memory.list_files(self.note.form_key), []

    def newer(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the messages that the agent had not seen, if they stopped his reply; else none."""
        return select_newer(entries, self.form.cleaned_data["seen"]) if self.is_stale else []

    def _set_fields(self, **values: str) -> None:
        """Set what these fields of the agent's form show: the initial values and, in a posted form, the posted ones."""
        if self.form.is_bound:
            data = self.form.data.copy()  # type: ignore[attr-defined]
            for name, value in values.items():
                data[name] = value
            self.form.data = data
        self.form.initial.update(values)

    def _send_reply(self) -> str:
        """Send the agent's reply to the customer, and return the anchor of its message on the ticket's page."""
        data = self.form.cleaned_data
        written: dict[str, Any] = {"agent": self.agent, "body": data["body"], "files": self.reply.files}
        written |= {"seen": data["seen"], "form_key": self.reply.form_key}
        if scope := OUT_OF_SCOPE.get(data["after"]):
            read = str(self.form.data.get(f"explanation_{scope}", ""))
            written["seen_explanation"] = int(read) if may_be_key(read) else 0
            ticket = operations.answer_out_of_scope(self.ticket.pk, scope=scope, **written)
        else:
            reason, proposes_solution = AFTER[data["after"]]
            ticket = operations.answer(
                self.ticket.pk, wait_reason=reason, proposes_solution=proposes_solution, **written
            )
        return f"#{message_anchor(ticket.message_count)}"

    def _write_note(self) -> str:
        """Write the agent's internal note, and return its anchor on the ticket's page."""
        form_key, files, body = self.note.form_key, self.note.files, self.form.cleaned_data["note"]
        operations.add_note(self.ticket.pk, agent=self.agent, body=body, files=files, form_key=form_key)
        saved_note = Note.objects.filter(form_key=form_key).only("pk").first()
        return f"#{note_anchor(saved_note.pk)}" if saved_note else "#escribir"  # none: a reply had this key and text


def keep_texts(request: HttpRequest, ticket: Ticket) -> None:
    """Keep in the session what an agent typed for a ticket and did not send, as he pressed another button (M17)."""
    if "key" not in request.POST:  # a button outside the form
        return
    composer = Composer.posted(ticket, require_agent(request), request.POST, request.FILES)
    for name in ("files", "note_files"):
        for refusal in composer.form.errors.get(name, ()):
            messages.warning(request, str(refusal))
    composer.keep(request.session)


def build_first_values(ticket: Ticket) -> dict[str, Any]:
    """Return the first values of an agent's form: a reply (a note if the ticket is Cerrado) with no text, no choice.

    `seen` is how many messages the page shows him.
    """
    return {
        "kind": NOTE if ticket.is_closed else REPLY,
        "seen": ticket.message_count,
        "after": "",
        "body": "",
        "note": "",
    }


def build_after_choices(ticket: Ticket) -> list[tuple[str, str]]:
    """Return the choices of what happens to the ticket when the agent sends a reply.

    The first is empty, so that he must choose: the choice may start the customer's time to answer. A reply cannot take
    a ticket from En espera to Abierto, so «dejar Abierto» is offered only for a ticket that is Abierto.
    """
    prefix = "seguir En espera" if ticket.is_waiting else "pasar a En espera"
    choices = [("", "Elija…"), *((value, f"{prefix}: {label}") for value, label in _WAITS)]
    return choices if ticket.is_waiting else [*choices, ("abierto", "dejar Abierto")]


def _read_key(token: str, ticket: Ticket, agent: User) -> FormKey:
    """Return the one-time key that came with an agent's form, or a new key if that one is bad."""
    return form_memory.read_key(token, _name_form(ticket), agent) or form_memory.new_key(agent, _name_form(ticket))


def _name_form(ticket: Ticket) -> str:
    """Return the name of a ticket's composer, for its keys and drafts."""
    return f"mesa:{ticket.number}"
