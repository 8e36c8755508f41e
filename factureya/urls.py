"""Route every address of the site (spec: interfaces.md)."""

from django.contrib import admin
from django.urls import include, path

from factureya.core import views

urlpatterns = [
    path("", include("factureya.portal.urls")),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("cuenta/", include("accounts.urls")),
    path("", include("tickets.urls")),
    path("solicitudes/", include("change_requests.customer.urls")),
    path("control/", include("factureya.oversight.urls")),
    path("control/emergencias/", include("change_requests.emergency.urls")),
    path("control/paquetes/", include("change_requests.packages.urls")),
    path("control/", include("change_requests.control.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "factureya.portal.errors.bad_request"
handler403 = "factureya.portal.errors.permission_denied"
handler404 = "factureya.portal.errors.page_not_found"
handler500 = "factureya.portal.errors.server_error"
handler429 = "factureya.portal.errors.too_many_requests"  # allauth asks for it by this name
