"""Two supervisors edit the catalogue at one instant, in threads on PostgreSQL: one wins, the other is told (M4, M9)."""

from collections import Counter
from functools import partial

import pytest

from accounts.models import Office, User
from factureya.core.models import Event
from factureya.testing.people import make_agent, make_staff
from factureya.testing.races import kinds, race
from tickets.catalogue import operations, reading
from tickets.catalogue.models import SalesMember, ScopeExplanation, Team, TicketCategory

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.clause("M4", "M9")]
ONE_EACH = Counter(ok=1, WrongStatus=1)


@pytest.fixture
def supervisors() -> tuple[User, User]:
    return make_staff(Office.SUPERVISOR), make_staff(Office.SUPERVISOR)


def count_events(verb: str) -> int:
    return Event.objects.filter(verb=verb).count()


def test_one_of_two_explanations_counts_and_the_other_supervisor_is_told(supervisors, rounds):
    laura, marta = supervisors
    for number in rounds:
        seen = reading.find_explanation("internet").pk
        texts = [f"Revise su módem ({number}).", f"Llame a su proveedor ({number})."]
        results = race(
            partial(operations.change_explanation, "internet", supervisor=laura, text=texts[0], seen=seen),
            partial(operations.change_explanation, "internet", supervisor=marta, text=texts[1], seen=seen),
        )
        assert kinds(results) == Counter(ok=1, Stale=1)
        (won,) = [text for text, result in zip(texts, results, strict=True) if isinstance(result, ScopeExplanation)]
        assert reading.find_explanation("internet").text == won
        assert count_events("scope.explanation_changed") == number + 1


def test_a_double_click_on_an_explanation_changes_it_once(supervisors, rounds):
    laura, _marta = supervisors
    for number in rounds:
        seen, text = reading.find_explanation("equipment").pk, f"Reinicie su equipo ({number})."
        change = partial(operations.change_explanation, "equipment", supervisor=laura, text=text, seen=seen)
        first, second = race(change, change)
        assert first == second == reading.find_explanation("equipment")
        assert count_events("scope.explanation_changed") == number + 1


def test_two_new_categories_of_one_name_are_one(supervisors, rounds):
    laura, marta = supervisors
    for number in rounds:
        results = race(
            partial(operations.add_category, supervisor=laura, label=f"Nómina {number}", team=Team.SUPPORT),
            partial(operations.add_category, supervisor=marta, label=f"NÓMINA {number}", team=Team.SALES),
        )
        assert kinds(results) == ONE_EACH
        assert [slug for slug, _label in reading.list_categories()].count(f"nomina-{number}") == 1
        assert count_events("category.added") == number + 1


def test_two_names_for_one_category_give_it_one(supervisors, rounds):
    laura, marta = supervisors
    current = operations.add_category(supervisor=laura, label="Contratos", team=Team.SUPPORT)
    for number in rounds:
        labels, pk = [f"Convenios {number}", f"Acuerdos {number}"], current.pk
        results = race(
            partial(operations.rename_category, pk, supervisor=laura, label=labels[0]),
            partial(operations.rename_category, pk, supervisor=marta, label=labels[1]),
        )
        assert kinds(results) == ONE_EACH
        (current,) = [result for result in results if isinstance(result, TicketCategory)]
        assert set(reading.select_in_use().filter(label__in=labels)) == {current}
        assert current.position == TicketCategory.objects.get(pk=pk).position


def test_a_category_is_renamed_or_ended_not_both(supervisors, rounds):
    laura, marta = supervisors
    for number in rounds:
        old = operations.add_category(supervisor=laura, label=f"Timbrado {number}", team=Team.SUPPORT)
        results = race(
            partial(operations.rename_category, old.pk, supervisor=laura, label=f"Sellado {number}"),
            partial(operations.end_category, old.pk, supervisor=marta),
        )
        assert kinds(results) == ONE_EACH
        assert count_events("category.renamed") + count_events("category.ended") == number + 1


def test_the_last_category_of_sales_stays(supervisors, rounds):
    laura, marta = supervisors
    for number in rounds:
        operations.add_category(supervisor=laura, label=f"Paquetes {number}", team=Team.SALES)
        first, second = reading.select_in_use().filter(team=Team.SALES).values_list("pk", flat=True)
        results = race(
            partial(operations.end_category, first, supervisor=laura),
            partial(operations.end_category, second, supervisor=marta),
        )
        assert kinds(results) == ONE_EACH
        assert reading.select_in_use().filter(team=Team.SALES).count() == 1


def test_a_person_joins_and_leaves_sales_once(supervisors, rounds):
    laura, marta = supervisors
    dario = make_agent()
    for _number in rounds:
        joined = race(
            partial(operations.join_sales, dario.pk, supervisor=laura),
            partial(operations.join_sales, dario.pk, supervisor=marta),
        )
        assert kinds(joined) == ONE_EACH
        member = SalesMember.objects.get(user=dario, ended_at__isnull=True)
        left = race(
            partial(operations.leave_sales, member.pk, supervisor=laura),
            partial(operations.leave_sales, member.pk, supervisor=marta),
        )
        assert kinds(left) == ONE_EACH
