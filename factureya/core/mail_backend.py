from django.core.mail.backends.filebased import EmailBackend as EmlFileBackend  # noqa: F401
