"""/control/: mesa de control."""

from django.urls import path

from change_requests import views

app_name = "control"
urlpatterns = [
    path("", views.Inbox.as_view(), name="inbox"),
    path("factores/<int:pk>/", views.DecideFactorReset.as_view(), name="decide_factor_reset"),
]
