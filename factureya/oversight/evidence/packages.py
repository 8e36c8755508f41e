"""Say of «Paquetes e imagen» what is true: packages (M28–M32) are not built yet; find the evidence of M33."""

from accounts.models import Branding
from factureya.oversight.evidence.facts import NOT_BUILT, Evidence, Facts, Finder, say


def find_nothing(_facts: Facts) -> Evidence:
    """Return that the clause is not built yet, which the board shows as such and never as done."""
    return NOT_BUILT


def find_m33(facts: Facts) -> Evidence:
    """Return how many companies have an image of their own, and how often one was changed (M33)."""
    companies = say(Branding.objects.exclude(shown_main="").count(), "empresa", "empresas")
    changes = say(facts.count("company.branding_changed"), "cambio", "cambios")
    return Evidence(f"{companies} con imagen propia; {changes}. Los colores que no se leen se corrigen")


EVIDENCE: dict[str, Finder] = {**{f"M{number}": find_nothing for number in range(28, 33)}, "M33": find_m33}
