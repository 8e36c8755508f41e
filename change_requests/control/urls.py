"""/control/: mesa de control."""

from django.urls import path

from change_requests.control import views_inbox as inbox

app_name = "control"
urlpatterns = [
    path("", inbox.Inbox.as_view(), name="inbox"),
    path("factores/<int:pk>/", inbox.DecideFactorReset.as_view(), name="decide_factor_reset"),
]
