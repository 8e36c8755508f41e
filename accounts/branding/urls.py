"""Route /cuenta/imagen/: *Personaliza tu imagen* (M33)."""

from django.urls import path

from accounts.branding import views

urlpatterns = [
    path("", views.BrandingPage.as_view(), name="branding"),
    path("factura/", views.PrintedInvoice.as_view(), name="branding_invoice"),
    path("factura.pdf", views.PrintedInvoicePdf.as_view(), name="branding_pdf"),
    path("logo/<slug:sha256>/<slug:size>.png", views.CompanyLogo.as_view(), name="branding_logo"),
    path("colores/<slug:slug>/<slug:part>.css", views.send_colours, name="branding_colours"),
]
