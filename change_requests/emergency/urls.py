"""/control/emergencias/: emergency accounts, from the seal to the signed review (M22, M23, M27)."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from change_requests.emergency import views_grant, views_inside, views_keeping, views_list, views_review, views_seals

app_name = "emergency"


class GrantFolioConverter(StringConverter):
    """Find what may be a folio of an emergency in an address; the view reads it, so that O for 0 is forgiven (M10)."""

    regex = r"[Ee][Mm][^/\0]{7,16}"


register_converter(GrantFolioConverter, "grant_folio")

urlpatterns = [
    path("", views_list.EmergencyList.as_view(), name="list"),
    path("pedir/", views_list.AskForGrant.as_view(), name="ask"),
    path("cuentas/nueva/", views_seals.AddAccount.as_view(), name="add_account"),
    path("cuentas/<slug:alias>/sello/", views_seals.Seal.as_view(), name="seal"),
    path("cuentas/<slug:alias>/sello/iniciar/", views_seals.StartSeal.as_view(), name="start_seal"),
    path("cuentas/<slug:alias>/sello/sellado/", views_seals.ConfirmSealed.as_view(), name="confirm_sealed"),
    path("cuentas/<slug:alias>/retirar/", views_seals.RetireAccount.as_view(), name="retire_account"),
    path("causas/", views_keeping.Causes.as_view(), name="causes"),
    path("causas/<int:pk>/terminar/", views_keeping.EndCause.as_view(), name="end_cause"),
    path("suplencias/", views_keeping.Delegations.as_view(), name="delegations"),
    path("suplencias/<int:pk>/terminar/", views_keeping.EndDelegation.as_view(), name="end_delegation"),
    path("uso/", views_inside.Inside.as_view(), name="inside"),
    path("uso/terminar/", views_inside.Leave.as_view(), name="leave"),
    path("<grant_folio:folio>/", views_grant.GrantDetail.as_view(), name="grant"),
    path("<grant_folio:folio>/decidir/", views_grant.Decide.as_view(), name="decide"),
    path("<grant_folio:folio>/revocar/", views_grant.Revoke.as_view(), name="revoke"),
    path("<grant_folio:folio>/abrir/", views_grant.OpenGrant.as_view(), name="open"),
    path("<grant_folio:folio>/entrar/", views_grant.Enter.as_view(), name="enter"),
    path("<grant_folio:folio>/revision/", views_review.Review.as_view(), name="review"),
    path("<grant_folio:folio>/revision/firmar/", views_review.Sign.as_view(), name="sign"),
    path("<grant_folio:folio>/revision/<int:seq>/", views_review.Judge.as_view(), name="judge"),
    path("<grant_folio:folio>/expediente.pdf", views_review.DossierPdf.as_view(), name="dossier"),
]
