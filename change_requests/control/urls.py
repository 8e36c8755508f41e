"""/control/: mesa de control."""

from django.urls import path, register_converter

from change_requests.control import views_assets as assets
from change_requests.control import views_inbox as inbox
from change_requests.control import views_request as request
from change_requests.control.act_list import ACTS

app_name = "control"


class FolioConverter:
    """What may be a folio; the view asks whether it is one, so that O for 0 is forgiven (M10)."""

    regex = "[Ss][AaCc][^/]{7,16}"

    def to_python(self, value: str) -> str:
        """As it was typed."""
        return value

    def to_url(self, value: str) -> str:
        """As it is."""
        return value


register_converter(FolioConverter, "control_folio")


def _act(name: str, page: str) -> list:
    """The address of an act: POST, and GET where it has a page of its own."""
    view = request.ActView.as_view(act=ACTS[name])
    return [path(f"<control_folio:folio>/{page}/", view, name=name)]


urlpatterns = [
    path("", inbox.Inbox.as_view(), name="inbox"),
    path("factores/<int:pk>/", inbox.DecideFactorReset.as_view(), name="decide_factor_reset"),
    path("activos/", assets.Assets.as_view(), name="assets"),
    path("activos/<slug:code>/", assets.NameOwner.as_view(), name="asset"),
    path("<control_folio:folio>/", request.RequestPage.as_view(), name="request"),
    path(
        "<control_folio:folio>/archivos/<str:token>/",
        request.EvidenceFile.as_view(),
        name="evidence",
    ),
    path("<control_folio:folio>/expediente/", request.ExpedientePage.as_view(), name="expediente"),
    path(
        "<control_folio:folio>/expediente.zip",
        request.ExpedienteZip.as_view(),
        name="expediente_zip",
    ),
    *_act("verify", "verificar"),
    *_act("decide", "decidir"),
    *_act("designate", "designar"),
    *_act("waive", "excepcion"),
    *_act("execute", "implementar"),
    *_act("check", "revisar"),
    *_act("close", "cerrar"),
    *_act("revert", "revertir"),
    *_act("resume", "reanudar"),
    *_act("alarm", "aviso"),
    *_act("return", "devolver"),
    *_act("withdraw", "cancelar"),
]
