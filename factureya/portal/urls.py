"""Route the public pages (manual 01, M2)."""

from django.urls import path

from factureya.portal import views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("que-es/", views.text_page, {"name": "about"}, name="about"),
    path("atencion/", views.support, name="support"),
    path("portal-sat/", views.text_page, {"name": "sat"}, name="sat"),
    path("aplicacion-gratuita/", views.free_app, name="free_app"),
    path("aplicacion-gratuita/terminos/", views.text_page, {"name": "free_app_terms"}, name="free_app_terms"),
    path("sistema/", views.system, name="system"),
    path("aviso-de-privacidad/", views.text_page, {"name": "privacy"}, name="privacy"),
    path("accesibilidad/", views.text_page, {"name": "accessibility"}, name="accessibility"),
    path("robots.txt", views.robots, name="robots"),
]
