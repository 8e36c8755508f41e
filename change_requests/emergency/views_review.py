"""Review an emergency act by act, sign it, and take its dossier out as PDF (M27)."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from change_requests.control.pages import choose_status_code
from change_requests.emergency import dossier, operations
from change_requests.emergency.forms import SignForm, VerdictForm
from change_requests.emergency.review_page import ALL, ReviewPage, list_values
from change_requests.emergency.views_common import NOT_YOURS, GrantView
from factureya.core.refusals import Refused


class RecordView(GrantView):
    """Serve a page about the record of an emergency that was opened; one that never was has none."""

    def prepare(self, **kwargs: Any) -> None:
        """Find the emergency. Raises Http404 if this person may not see it, or if it was never opened."""
        super().prepare(**kwargs)
        if self.grant.opened_at is None:
            raise Http404(NOT_YOURS)


class Review(RecordView):
    """Show every act with what came of it: the list at the left, one act at the right."""

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the page; `?registro=` names the act beside the list, `?filtro=` what the list shows."""
        return self.render_review()

    def form_address(self) -> str:
        return reverse("emergency:review", args=[self.kwargs["folio"]])

    def read_page(self, seq: int | None = None) -> ReviewPage:
        """Return the review with the filter of the address; beside the list is act `seq`, else that of the address."""
        typed_seq = self.request.GET.get("registro", "")
        if seq is None and typed_seq.isascii() and typed_seq.isdigit() and len(typed_seq) < 9:
            seq = int(typed_seq)
        return ReviewPage(self.grant, self.user, self.request.GET.get("filtro", ALL), seq)

    def render_review(
        self, *, verdict: Any = None, sign: Any = None, seq: int | None = None, code: int = 200
    ) -> HttpResponse:
        """Return the page with the forms that the reader may use now; a refused form is shown as it was sent."""
        page, refused = self.read_page(seq), verdict or sign  # one at most: a POST sends one form
        act = page.current
        # `fill_held` puts in what the reader typed before a login.
        if verdict is None and page.may_review and act is not None and act.item.verdict is None:
            verdict = self.fill_held(VerdictForm(auto_id="id_verdict_%s"), self._address("judge", act.seq))
        if sign is None and page.may_review:
            sign = self.fill_held(SignForm(self.request, auto_id="id_sign_%s"), self._address("sign"))
        context = {
            "page": page,
            "grant": self.grant,
            "act": act,
            "values": list_values(act.item) if act else [],
            "verdict": verdict,
            "sign": sign,
            "form": refused,
        }
        return render(self.request, "emergency/review.html", context, status=code)

    def _address(self, name: str, *more: int) -> str:
        """Return the address of an act on this review."""
        return reverse(f"emergency:{name}", args=[self.grant.folio, *more])


class Judge(Review):
    """Let the reviewer say of one act whether it is conform, and go on to the next."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str, seq: int) -> HttpResponse:
        """Store the verdict and redirect to the next act; or return the page with what is wrong."""
        form = VerdictForm(request.POST, auto_id="id_verdict_%s")
        record = self.grant.records.filter(seq=seq).first()
        if record is None:
            raise Http404(NOT_YOURS)
        if not form.is_valid():
            return self.render_review(verdict=form, seq=seq)
        try:
            operations.judge_record(
                record.pk,
                form.cleaned_data["verdict"],
                form.cleaned_data["note"],
                actor=self.user,
                proof=self.make_proof(),
            )
        except Refused as refusal:
            form.show_refusal(refusal)
            return self.render_review(verdict=form, seq=seq, code=choose_status_code(refusal))
        return redirect(self.read_page(seq).find_next_url(seq))


class Sign(Review):
    """Let the reviewer sign the review, with the password typed again; it seals the record's end (M27)."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Sign the review and redirect to the emergency; or return the page with the form's errors."""
        form = SignForm(request, request.POST, auto_id="id_sign_%s")
        if not form.is_valid():
            return self.render_review(sign=form)
        try:
            operations.sign_review(self.grant.pk, actor=self.user, proof=self.make_proof(), **form.make_arguments())
        except Refused as refusal:
            form.show_refusal(refusal)
            self.prepare(folio=folio)  # read again: its status may have changed
            return self.render_review(sign=form, code=choose_status_code(refusal))
        messages.success(request, "La revisión quedó firmada; Auditoría recibe el aviso.")
        return redirect("emergency:grant", self.grant.folio)


class DossierPdf(RecordView):
    """Give out the dossier of an emergency as PDF."""

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the dossier of the emergency as a PDF to download."""
        response = HttpResponse(dossier.render_dossier(self.grant), content_type="application/pdf")
        response["Content-Disposition"] = f'attachment; filename="expediente-{self.grant.folio}.pdf"'
        return response
