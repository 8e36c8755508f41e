"""Make the demo's emergency accounts: one to be sealed, whose custodians are named, and one that only reads."""

from datetime import datetime

from accounts.models import User
from change_requests.emergency import operations
from factureya.core import clock


def seed(people: dict[str, User], present: datetime) -> None:
    """Make the two accounts, as the security officer; `seed_demo` calls this.

    No seal is whole: each custodian sees his half himself, once, in the page. Gina uses the accounts, Elsa and Fabián
    authorize, Laura and Jorge keep the halves.
    """
    elsa, laura, jorge = (User.objects.get(pk=people[key].pk) for key in ("elsa", "laura", "jorge"))
    with clock.at(present):
        fix = operations.add_account(
            alias="emergencia-01", purpose="Leer clientes y corregir un dato", scope="fix", actor=elsa
        )
        operations.add_account(alias="emergencia-02", purpose="Solo leer lo de un cliente", scope="read", actor=elsa)
        operations.start_sealing(fix.pk, custodian_a=laura, custodian_b=jorge, actor=elsa)
        operations.find_drill_customer(elsa)
