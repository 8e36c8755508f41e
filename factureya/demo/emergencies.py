"""Make the demo's emergency accounts, all sealed: one that fixes, one that only reads, one with a reviewed drill."""

from datetime import datetime, timedelta

from accounts.models import User
from change_requests.emergency import operations
from change_requests.emergency.models import EmergencyAccount
from factureya.core import clock

DRILL = "Simulacro trimestral: poner otro teléfono al cliente de prueba."
WHY = "Es el simulacro del trimestre."


def seed(people: dict[str, User], now: datetime) -> None:
    """Run the drill, and make and seal two more accounts the day before `now`; `seed_demo` calls this.

    Nobody knows the halves of these passwords: who tries an emergency seals its account again as Elsa, so that Laura
    and Jorge see new ones. Gina uses the accounts, Elsa and Fabián authorize.
    """
    people = {key: User.objects.get(pk=people[key].pk) for key in ("elsa", "fabian", "gina", "jorge", "laura")}
    drilled_account = _run_drill(people, now)
    with clock.at(now - timedelta(days=1)):
        elsa = people["elsa"]
        fixing_account = operations.add_account(
            alias="emergencia-01", purpose="Leer clientes y corregir un dato", scope="fix", actor=elsa
        )
        reading_account = operations.add_account(
            alias="emergencia-02", purpose="Solo leer lo de un cliente", scope="read", actor=elsa
        )
        for account in (fixing_account, reading_account, drilled_account):  # the drill used up the seal of the last
            _seal(account, people)


def _run_drill(people: dict[str, User], now: datetime) -> EmergencyAccount:
    """Run a whole drill some days ago: seal an account, ask for it, authorize, open, use, end, review; return it."""
    elsa, fabian, gina = people["elsa"], people["fabian"], people["gina"]
    start = now - timedelta(days=5)
    with clock.at(start):
        account = operations.add_account(
            alias="emergencia-03", purpose="Simulacros de cada trimestre", scope="fix", actor=elsa
        )
        halves = _seal(account, people)
        grant = operations.request_grant(
            account.pk,
            actor=gina,
            incident="",
            cause="datos-corruptos",
            fields=["phone"],
            reason=DRILL,
            minutes=30,
            drill=True,
        )
    with clock.at(start + timedelta(minutes=4)):
        operations.authorize_grant(grant.pk, actor=fabian, reason=WHY)
        operations.authorize_grant(grant.pk, actor=elsa, reason=WHY)
    with clock.at(start + timedelta(minutes=9)):
        for custodian, half in halves:
            operations.give_half(grant.pk, half, actor=custodian)
    with clock.at(start + timedelta(minutes=10)):
        operations.enter_grant(grant.pk, actor=gina, session_key="demo")
        operations.apply_emergency_change(grant.pk, "phone", "222 000 0001", WHY, actor=gina)
    with clock.at(start + timedelta(minutes=12)):
        operations.end_grant(grant.pk, actor=gina)
    with clock.at(start + timedelta(hours=2)):
        for item in operations.find_items(grant):
            operations.judge_record(item.record.pk, "conform", actor=elsa)
        operations.sign_review(grant.pk, "Nueve minutos de la petición a la apertura.", True, actor=elsa)  # conform
    return account


def _seal(account: EmergencyAccount, people: dict[str, User]) -> list[tuple[User, str]]:
    """Seal the account with two custodians; return each with his half of the password."""
    custodians = (people["laura"], people["jorge"])
    credential = operations.start_sealing(
        account.pk, custodian_a=custodians[0], custodian_b=custodians[1], actor=people["elsa"]
    )
    halves = [(custodian, operations.reveal_half(credential.pk, actor=custodian)) for custodian in custodians]
    for custodian in custodians:
        operations.confirm_sealed(credential.pk, actor=custodian)
    return halves
