"""/solicitudes/: the customer's formal requests (spec: interfaces.md). A request's only public name is its folio."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from change_requests.customer import views_detail, views_files, views_links, views_list, views_verifier, views_wizard
from change_requests.models import FormalRequest, read_folio


class FolioConverter(StringConverter):
    """Read a folio in a URL however it was typed; a text that cannot be a folio gets 404."""

    regex = "[^/]{8,24}"

    def to_python(self, value: str) -> str:
        return read_folio(value)


register_converter(FolioConverter, "folio")

app_name = "requests"
urlpatterns = [
    path("", views_list.MyRequests.as_view(), name="list"),
    path("acceso/nueva/", views_list.NewRequest.as_view(form_kind=FormalRequest.Form.ACCESS), name="new_access"),
    path("cambio/nueva/", views_list.NewRequest.as_view(form_kind=FormalRequest.Form.CHANGE), name="new_change"),
    path(
        "formatos/control-de-acceso.pdf",
        views_files.FormPdf.as_view(form_kind=FormalRequest.Form.ACCESS),
        name="form_access",
    ),
    path(
        "formatos/baja-o-cambio.pdf",
        views_files.FormPdf.as_view(form_kind=FormalRequest.Form.CHANGE),
        name="form_change",
    ),
    path("verificador/", views_verifier.VerifierPage.as_view(), name="verifier"),
    path("verificador/verify_expediente.py", views_verifier.VerifierFile.as_view(), name="verifier_file"),
    path("archivos/<slug:token>/", views_files.EvidenceFile.as_view(), name="evidence"),
    path("confirmar/<str:token>/", views_links.Confirm.as_view(), name="confirm"),
    path("no-fui-yo/<str:token>/", views_links.NotMe.as_view(), name="not_me"),
    path("clave/<str:token>/", views_links.SetPassword.as_view(), name="set_password"),
    path("<folio:folio>/", views_detail.Detail.as_view(), name="detail"),
    path("<folio:folio>/que-solicita/", views_wizard.KindStep.as_view(), name="kind"),
    path("<folio:folio>/datos/", views_wizard.DataStep.as_view(), name="data"),
    path("<folio:folio>/motivo/", views_wizard.ReasonStep.as_view(), name="reason"),
    path("<folio:folio>/firma/", views_wizard.SignStep.as_view(), name="sign"),
    path("<folio:folio>/revise/", views_wizard.ReviewStep.as_view(), name="review"),
    path("<folio:folio>/enviada/", views_detail.Sent.as_view(), name="sent"),
    path("<folio:folio>/acuse.pdf", views_files.ReceiptPdf.as_view(), name="acuse"),
    path("<folio:folio>/aclaracion/", views_detail.AnswerClarification.as_view(), name="answer"),
    path("<folio:folio>/codigo/", views_detail.ConfirmCode.as_view(), name="code"),
    path("<folio:folio>/codigo/nuevo/", views_detail.ResendCode.as_view(), name="resend_code"),
    path("<folio:folio>/corregir/", views_detail.Correct.as_view(), name="correct"),
    path("<folio:folio>/retirar/", views_detail.Withdraw.as_view(), name="withdraw"),
    path("<folio:folio>/no-fui-yo/", views_detail.NotMeHere.as_view(), name="not_me_here"),
]
