"""Documents: the blank forms and a draft's, the acuse, and the evidence by its request's policy (M7, M17, M20)."""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase

from accounts.web.mixins import PrivateView
from change_requests import policy
from change_requests.customer.views_common import NOT_YOURS, RequestView, folio_in
from change_requests.documents import form_draw, form_fields, receipt
from change_requests.models import Evidence, FormalRequest
from change_requests.views_sending import send
from factureya.core.files.sending import send_document


class FormPdf(PrivateView):
    """A fillable form: blank for everybody; with `?folio=` that draft's, for who may ask (M20). GET mints nothing."""

    http_method_names = ["get", "head"]
    form_kind = ""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The PDF."""
        if "folio" not in request.GET:
            return send_document(
                form_draw.render(self.form_kind),
                name=form_fields.FILE_NAMES[self.form_kind],
                content_type="application/pdf",
            )
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())  # type: ignore[return-value]
        formal = self.find(request.GET["folio"])
        data = form_draw.data_of(formal)
        return send_document(
            form_draw.render(self.form_kind, data), name=f"{formal.folio}.pdf", content_type="application/pdf"
        )

    def find(self, typed: str) -> FormalRequest:
        """The draft, or 404."""
        user = self.request.user
        folio = folio_in(typed)
        membership = None if user.is_staff else user.membership
        if folio is None or membership is None or policy.powers_of(user, membership.customer) is None:
            raise Http404(NOT_YOURS)
        wanted = policy.visible_to(user).select_related("customer", "requester", "representative")
        formal = wanted.filter(folio=folio, form=self.form_kind).first()
        if formal is None:
            raise Http404(NOT_YOURS)
        return formal


class AccessForm(FormPdf):
    """«Solicitud de Control de Acceso» (M7)."""

    form_kind = FormalRequest.Form.ACCESS


class ChangeForm(FormPdf):
    """«Solicitud de Baja o Cambio de Información Sensible» (M20)."""

    form_kind = FormalRequest.Form.CHANGE


class Acuse(RequestView):
    """The receipt of the version that was sent."""

    url_name = "acuse"
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, folio: str) -> HttpResponse:
        """The PDF; a draft has none."""
        formal = self.find()
        if formal.revision_no == 0:
            raise Http404("Todavía no se ha enviado.")
        return send_document(receipt.render(formal), name=f"acuse-{formal.folio}.pdf", content_type="application/pdf")


class EvidenceFile(PrivateView):
    """A file of a request, for who may see the request; as an attachment, sandboxed (M17)."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """The file; 404 for somebody else's; the login for who is nobody yet."""
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        user: Any = request.user
        membership = None if user.is_staff else user.membership
        if membership is None or policy.powers_of(user, membership.customer) is None:
            raise Http404("No hay un archivo con esa dirección para usted.")
        found = Evidence.objects.select_related("attachment", "request").filter(attachment__token=token)
        file = found.filter(request__in=policy.visible_to(user)).first()
        if file is None:
            raise Http404("No hay un archivo con esa dirección para usted.")
        return send(request, user, file.request, file.attachment, file.sha256)
