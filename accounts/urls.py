"""Route /cuenta/: sign-up, login, second factor, profile, people of my company.

allauth's views keep the names that it reverses, and only those listed here exist: no page changes an address, sets a
first password, manages a telephone or a passkey, and no link confirms anything (traps.md, side doors).
"""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.totp import views as totp
from django.urls import URLPattern, URLResolver, include, path

from accounts import views
from accounts.sign_in import views as entrance

FACTOR = "verificacion-en-dos-pasos/"

ours: list[URLPattern | URLResolver] = [
    path("", views.Home.as_view(), name="home"),
    path("personas/", views.People.as_view(), name="people"),
    path("personas/limitar/", views.LimitPerson.as_view(), name="limit_person"),
    path("personas/invitaciones/reenviar/", views.ChangeInvitation.as_view(verb="resend"), name="resend_invitation"),
    path("personas/invitaciones/cancelar/", views.ChangeInvitation.as_view(verb="cancel"), name="cancel_invitation"),
    path("invitacion/<str:token>/", views.AcceptInvitation.as_view(), name="accept_invitation"),
    path("imagen/", include("accounts.branding.urls")),
    path(f"{FACTOR}activar/qr.svg", entrance.totp_qr, name="totp_qr"),
]

urlpatterns = [
    path("", include((ours, "accounts"))),
    path("ingresar/", entrance.LoginView.as_view(), name="account_login"),
    path("salir/", account.logout, name="account_logout"),
    path("registro/", account.signup, name="account_signup"),
    path("verificar/", entrance.VerifyView.as_view(), name="account_email_verification_sent"),
    path("desactivada/", account.account_inactive, name="account_inactive"),
    path("confirmar/", account.reauthenticate, name="account_reauthenticate"),
    path("contrasena/", account.password_change, name="account_change_password"),
    path("contrasena/restablecer/", account.password_reset, name="account_reset_password"),
    path(
        "contrasena/restablecer/codigo/",
        entrance.ConfirmResetView.as_view(),
        name="account_confirm_password_reset_code",
    ),
    path("contrasena/restablecer/nueva/", entrance.CompleteResetView.as_view(), name="account_complete_password_reset"),
    path(FACTOR, mfa.index, name="mfa_index"),
    path(f"{FACTOR}ingresar/", mfa.authenticate, name="mfa_authenticate"),
    path(f"{FACTOR}confirmar/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path(f"{FACTOR}activar/", entrance.ActivateFactorView.as_view(), name="mfa_activate_totp"),
    path(f"{FACTOR}desactivar/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path(f"{FACTOR}codigos/", entrance.ViewCodesView.as_view(), name="mfa_view_recovery_codes"),
    path(f"{FACTOR}codigos/nuevos/", entrance.GenerateCodesView.as_view(), name="mfa_generate_recovery_codes"),
    path(f"{FACTOR}codigos/descargar/", entrance.DownloadCodesView.as_view(), name="mfa_download_recovery_codes"),
]
