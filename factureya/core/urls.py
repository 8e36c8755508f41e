"""Route the addresses with which the program is monitored."""

from django.urls import path

from factureya.core import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
]
