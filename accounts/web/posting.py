"""One form that is posted once: its one-time key, its draft, its files, and the refusals it shows (M17)."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.models import User
from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import posted_text
from factureya.core.files import store
from factureya.core.forms import STALE_FORM, FilesMixin, PortalForm
from factureya.core.models import Attachment
from factureya.core.refusals import FormUsed, Refused

REMOVE = "quitar"  # the button beside a kept file


class PostingForm:
    """The part of a view that shows a form and receives it; what was typed and uploaded is never lost.

    A view says `form_name`, makes its `form` and its `page`, and calls one operation in `perform`. An exception of
    `refusals` that `perform` raises is shown above the form, with everything kept.
    """

    request: HttpRequest
    user: User
    refusals: tuple[type[Exception], ...] = (Refused,)

    def form_name(self) -> str:
        """Return which form this is, for its one-time key and its draft."""
        raise NotImplementedError

    def form(self, *args: Any, **options: Any) -> PortalForm:
        """Return the form, blank or with what was posted."""
        raise NotImplementedError

    def page(self, form: Any, key: FormKey, *, kept: Sequence[Attachment] = (), why: str = "") -> HttpResponse:
        """Return the page with the form, its kept files, and why a draft is shown."""
        raise NotImplementedError

    def perform(self, form: Any, key: FormKey) -> str | HttpResponse:
        """Do what the valid form asks. Return the address to go to, or a page that asks for more and sends nothing."""
        raise NotImplementedError

    def initial(self) -> dict[str, Any]:
        """Return the first values of a form that has no draft."""
        return {}

    def may_show(self, fields: dict[str, str]) -> bool:
        """Return whether a draft with these fields is about what this page is about."""
        return True

    def show_form(self) -> HttpResponse:
        """Show the form: with what was typed and could not be sent, or as it is at first."""
        found = form_memory.find_draft(self.request.session, self.user, self.form_name())
        if found is None or not self.may_show(found[1]):
            return self.page(self.form(initial=self.initial()), form_memory.new_key(self.user, self.form_name()))
        key, fields, why = found
        return self.page(self.form(initial=fields), key, kept=store.list_draft_files(key.key), why=why)

    def receive_form(self) -> HttpResponse:
        """Perform what was posted, once; or show the form again, complete, with the reason."""
        key, is_ours = self.posted_key()
        kept, refusals = self.posted_files(key)
        if REMOVE in self.request.POST:
            return self.page(self.form(initial=posted_text(self.request)), key, kept=kept)
        form = self.form(self.request.POST)
        if isinstance(form, FilesMixin):
            form.take_files(kept, refusals)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        if form.is_valid():
            try:
                answer = self.perform(form, key)
            except self.refusals as refusal:
                form.add_error(None, str(refusal))
                key = renew_used_key(refusal, key, self.user)
                kept = store.list_draft_files(key.key)
            else:
                if isinstance(answer, HttpResponse):
                    return answer
                form_memory.forget_draft(self.request.session, key)
                return redirect(answer)
        return self.page(form, key, kept=kept)

    def posted_key(self) -> tuple[FormKey, bool]:
        """Return the key of the posted form, and whether it was good; a new key stands in for a bad one."""
        key = form_memory.read_key(self.request.POST.get("key", ""), self.form_name(), self.user)
        return (key, True) if key else (form_memory.new_key(self.user, self.form_name()), False)

    def posted_files(self, key: FormKey) -> tuple[list[Attachment], list[store.RefusedFile]]:
        """Remove the file that «Quitar» names, store what was uploaded; return the kept files and the refused ones."""
        if token := self.request.POST.get(REMOVE):
            store.discard_file(key.key, token)
        uploads = self.request.FILES.getlist("files") + self.request.FILES.getlist("photo")
        refusals = store.store_uploads(uploads, key.key)[1] if uploads else []
        return store.list_draft_files(key.key), refusals


def renew_used_key(refusal: Exception, key: FormKey, user: User) -> FormKey:
    """Return the key of a form that is shown after a refusal: a new one, with the files, when this one was used."""
    if not isinstance(refusal, FormUsed):
        return key
    renewed = form_memory.new_key(user, key.form)
    store.move_files(key.key, renewed.key)
    return renewed
