"""Say of «Paquetes e imagen» (M28–M33) what is true: it is not built yet."""

from factureya.oversight.evidence.facts import NOT_BUILT, Evidence, Facts, Finder


def find_nothing(_facts: Facts) -> Evidence:
    """Return that the clause is not built yet, which the board shows as such and never as done."""
    return NOT_BUILT


EVIDENCE: dict[str, Finder] = {f"M{number}": find_nothing for number in range(28, 34)}
