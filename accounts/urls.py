"""/cuenta/: sign-up, login, second factor, profile, people of my company."""

from django.urls import include, path

urlpatterns = [path("", include("allauth.urls"))]
