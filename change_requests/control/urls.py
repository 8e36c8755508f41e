"""/control/: mesa de control."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from change_requests.control import acts_applying as applying
from change_requests.control import acts_deciding as deciding
from change_requests.control import views_assets as assets
from change_requests.control import views_inbox as inbox
from change_requests.control import views_request as request
from change_requests.control.views_common import ActView

app_name = "control"
# In the order in which a page offers them.
ACTS: tuple[type[ActView], ...] = (
    deciding.Resume,
    deciding.MarkAlarmSeen,
    deciding.Verify,
    deciding.Decide,
    applying.Designate,
    applying.Waive,
    applying.Execute,
    applying.CheckWaiver,
    applying.Close,
    deciding.Return,
    deciding.Cancel,
    applying.Revert,
)


class FolioConverter(StringConverter):
    """Find what may be a folio in an address; the view reads it, so that O for 0 is forgiven (M10)."""

    regex = r"[Ss][AaCc][^/\0]{7,16}"


register_converter(FolioConverter, "control_folio")

urlpatterns = [
    path("", inbox.Inbox.as_view(), name="inbox"),
    path("factores/<int:pk>/", inbox.DecideFactorReset.as_view(), name="decide_factor_reset"),
    path("activos/", assets.Assets.as_view(), name="assets"),
    path("activos/<slug:code>/", assets.NameOwner.as_view(), name="asset"),
    path("<control_folio:folio>/", request.RequestView.as_view(acts=ACTS), name="request"),
    path("<control_folio:folio>/archivos/<str:token>/", request.EvidenceFile.as_view(), name="evidence"),
    path("<control_folio:folio>/expediente/", request.ExpedientePage.as_view(), name="expediente"),
    path("<control_folio:folio>/expediente.zip", request.ExpedienteZip.as_view(), name="expediente_zip"),
    *(path(f"<control_folio:folio>/{act.path}/", act.as_view(acts=ACTS), name=act.name) for act in ACTS),
]
