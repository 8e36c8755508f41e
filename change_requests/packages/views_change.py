"""One change of a package: its page, and each step by POST (M28–M32)."""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from change_requests.control.pages import choose_status_code
from change_requests.packages import operations, policy
from change_requests.packages.acts import ACTS, Act
from change_requests.packages.change_page import ChangePage
from change_requests.packages.forms_common import PackageForm, Uploads
from change_requests.packages.models import FileKind
from change_requests.packages.views_common import CANCEL, ChangeView, FormWithFiles
from factureya.core.forms import choose_kept_fields
from factureya.core.refusals import Refused


class ChangeDetail(ChangeView):
    """Show a change, and to each reader the forms of what he may do with it now."""

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page; an address with a typing error is redirected to the right one."""
        if folio != self.change.folio:
            return redirect("packages:change", self.change.folio)
        return self.render_change()

    def render_change(
        self, *, refused: tuple[Act, PackageForm] | None = None, code: int = HttpResponse.status_code
    ) -> HttpResponse:
        """Return the change's page; a refused form is shown as it was sent; `code` is the HTTP status."""
        page = self.make_page()
        shown = [act for act in ACTS if act.name in page.acts]
        lost = refused if refused and refused[0] not in shown else None  # its act is not open any more
        offers = [self._make_offer(act, page, refused) for act in shown]
        context = {
            "page": page,
            "change": self.change,
            "form": refused[1] if refused else None,
            "typed": lost[1].list_typed() if lost else [],
            "offers": offers,
            "turn": "" if any(not offer["act"].is_bad for offer in offers) else page.turn,
        }
        return render(self.request, "packages/change.html", context, status=code)

    def make_form(self, act: Act, data: Any = None, **options: Any) -> PackageForm:
        """Return the form of an act, blank or with what was posted, and with this person's uploads."""
        uploads = self.find_act_uploads(act)
        return act.form_class(self.request, data, uploads=uploads, auto_id=f"id_{act.path}_%s", **options)

    def find_act_uploads(self, act: Act) -> Uploads:
        """Return what this person has uploaded for an act, by kind."""
        kinds: list[FileKind] = act.form_class.list_kinds()
        return {kind: operations.find_upload(self.user, kind, self.change.pk) for kind in kinds}

    def _make_offer(self, act: Act, page: ChangePage, refused: tuple[Act, PackageForm] | None) -> dict[str, Any]:
        """Return an act with its form and its address, as the page shows it."""
        url = reverse(f"packages:{act.name}", args=[self.change.folio])
        is_refused = refused is not None and refused[0] is act
        form = refused[1] if refused and is_refused else self.fill_held(self.make_form(act), url)
        label = page.next_label if act.name == "make_copy" else ""
        tested = page.copies[-1] if act.name == "test_copy" else None
        seen = {"seen_hash": tested.sha256 if tested else "", "seen_label": tested.label if tested else ""}
        return {"act": act, "form": form, "url": url, "folio": self.change.folio, "next_label": label, **seen}


class ChangeAct(FormWithFiles, ChangeDetail):
    """Receive one step of a change by POST; the change's page holds its form."""

    http_method_names = ["post"]
    act: ClassVar[Act] = ACTS[0]  # as_view() gives it

    def find_form_class(self) -> type[PackageForm]:
        """Return the form of the act."""
        return self.act.form_class

    def find_change_pk(self) -> int | None:
        """Return the key of the change, which the files are of."""
        return self.change.pk

    def why_not_files(self) -> Refused | None:
        """Return why this person may not do the act now, or None: then no byte of its files is kept (M28)."""
        return policy.why_not_do(self.act.name, self.user, self.change)

    def receive(self, request: HttpRequest) -> HttpResponse:
        """Do the step and redirect to the change's page; or return that page with what is wrong."""
        if refusal := policy.why_not_do(self.act.name, self.user, self.change):
            late = self.make_form(self.act, initial=choose_kept_fields(request.POST))
            return self.render_change(refused=(self.act, late), code=self.tell(refusal))
        if CANCEL in request.POST:  # only the upload was cancelled; what was typed stays
            form = self.make_form(self.act, initial=choose_kept_fields(request.POST))
            return self.render_change(refused=(self.act, form))
        form = self.make_form(self.act, request.POST)
        is_valid = form.is_valid()
        self.show_file_refusals(form)
        if not is_valid or form.errors:
            return self.render_change(refused=(self.act, form))
        try:
            self.act.perform(self.change, self.user, self.make_proof(), form.make_arguments())
        except Refused as refusal:
            form.show_refusal(refusal)
            self.prepare(folio=self.change.folio)
            return self.render_change(refused=(self.act, form), code=choose_status_code(refusal))
        messages.success(request, self.act.done)
        return redirect("packages:change", self.change.folio)


class DropUpload(ChangeDetail):
    """Cancel an upload of a change that somebody began: that person, or the head of IT."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str, token: str) -> HttpResponse:
        """Delete the upload and return to the page; or return the page with the refusal."""
        upload = self.change.uploads.filter(token=token).first()
        try:
            if upload is None:
                raise operations.UploadGone
            operations.drop_upload(upload.pk, actor=self.user)
        except Refused as refusal:
            return self.render_change(code=self.tell(refusal))
        messages.success(request, f"Se canceló la subida de «{upload.name}»; no quedó nada del archivo.")
        return redirect("packages:change", self.change.folio)
