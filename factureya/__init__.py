"""Factureya: the customer portal and helpdesk. The Celery app is loaded here so that tasks bind to it."""

from factureya.celery import app as celery_app

__all__ = ["celery_app"]
