"""Get inside an open emergency, as its operator does."""

from typing import Any

from django.test import Client

from accounts.models import User
from change_requests.emergency.acts import INSIDE
from change_requests.emergency.models import EmergencyGrant
from factureya.testing.emergencies import Emergency
from factureya.testing.pages import make_client

ADDRESS = "Av. Juárez 1420, int. 4, Col. La Paz, 72160 Puebla, Pue."
WHY = "Recupera el número interior que perdió la carga."


def enter(scene: Emergency, grant: EmergencyGrant | None = None, user: User | None = None) -> Client:
    """Return a client in whose session the operator went into the emergency, opened here unless given."""
    grant = grant or scene.bring("open")
    client = make_client(user or scene.cast.gina)
    client.raise_request_exception = False
    response = client.get(f"/prueba/entrar/{grant.pk}/")
    assert response.status_code == 200, response.content
    return client


def post_change(client: Client, field: str = "fiscal_address", new: str = ADDRESS, **more: Any) -> Any:
    """Post a change of a field of the emergency's customer."""
    return client.post(f"{INSIDE}cambiar/", {"field": field, "new": new, "reason": WHY, **more})
