"""Run the background work of mesa de control's pages. Safe to run twice or late."""

from celery import shared_task

from factureya.oversight import population


@shared_task(ignore_result=True)
def seal_population() -> bool:
    """Seal how many requests the month before had, and return whether this run did; later runs find it sealed (M26)."""
    return population.seal_month() is not None
