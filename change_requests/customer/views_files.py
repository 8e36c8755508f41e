"""Serve the PDF forms, the receipt, and the evidence to whoever may see its request (M7, M17, M20)."""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header

from accounts.web.mixins import PrivateView, get_person
from change_requests import policy
from change_requests.customer.views_common import NOT_YOURS, RequestView
from change_requests.documents import form_draw, form_fields, receipt
from change_requests.models import Evidence, FormalRequest, find_folio
from change_requests.views_sending import send_request_file


class FormPdf(PrivateView):
    """Serve a fillable form: blank to everybody, or with `?folio=` that draft's to its company (M20).

    A GET creates no folio.
    """

    http_method_names = ["get", "head"]
    form_kind = ""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the PDF form: blank, or (after a login) filled from the draft whose folio is in the URL."""
        if "folio" not in request.GET:
            return _make_pdf_response(form_draw.render_form(self.form_kind), form_fields.FILE_NAMES[self.form_kind])
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        formal = self.find_draft(request.GET["folio"])
        data = form_draw.read_form_data(formal)
        return _make_pdf_response(form_draw.render_form(self.form_kind, data), f"{formal.folio}.pdf")

    def find_draft(self, typed: str) -> FormalRequest:
        """Return the draft whose folio was typed, to fill its PDF form.

        Raise Http404 for a draft of another form or company, and for a person without powers in force.
        """
        user = get_person(self.request)
        folio = find_folio(typed)
        membership = None if user.is_staff else user.membership
        if folio is None or membership is None or policy.find_powers(user, membership.customer) is None:
            raise Http404(NOT_YOURS)
        wanted = policy.visible_to(user).select_related("customer", "requester", "representative")
        formal = wanted.filter(folio=folio, form=self.form_kind).first()
        if formal is None:
            raise Http404(NOT_YOURS)
        return formal


class ReceiptPdf(RequestView):
    """Serve the receipt (*acuse*) of the version that was sent."""

    url_name = "acuse"

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """Return the receipt of the sent request as a PDF. Raise Http404 for a request that was never sent."""
        formal = self.find_request()
        if formal.revision_no == 0:
            raise Http404("Todavía no se ha enviado.")
        return _make_pdf_response(receipt.render_receipt(formal), f"acuse-{formal.folio}.pdf")


class EvidenceFile(PrivateView):
    """Serve a file of a request, as an attachment, to whoever may see the request (M17)."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Return the file of evidence with this token. Raise Http404 if the person may not see its request.

        An anonymous person is redirected to the login.
        """
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        user: Any = request.user
        membership = None if user.is_staff else user.membership
        if membership is None or policy.find_powers(user, membership.customer) is None:
            raise Http404("No hay un archivo con esa dirección para usted.")
        with_token = Evidence.objects.select_related("attachment", "request").filter(attachment__token=token)
        evidence = with_token.filter(request__in=policy.visible_to(user)).first()
        if evidence is None:
            raise Http404("No hay un archivo con esa dirección para usted.")
        return send_request_file(request, user, evidence.request, evidence.attachment, evidence.sha256)


def _make_pdf_response(data: bytes, name: str) -> HttpResponse:
    """Return the response that downloads a PDF under this name."""
    response = HttpResponse(data, content_type="application/pdf")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response
