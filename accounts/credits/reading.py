"""Read what is left of the companies' credits, for the list of the admin and the page of packages (M28)."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q, QuerySet

from accounts.models import CreditBalance

LOW, EXPIRING, ALL = "pocos", "vencen", "todos"
MAX_WORDS = 100  # characters that are searched for
SEARCH, FILTER = "q", "ver"  # the parameters of an address


@dataclass(frozen=True)
class CreditsQuery:
    """Hold what an address asks for: a search (client or RFC), which looks in all, or one of the filters."""

    words: str
    chosen: str

    @property
    def filters(self) -> list[tuple[str, str]]:
        """Return each filter with its label."""
        return [
            (LOW, f"Queda el {settings.CREDITS_LOW_PERCENT} % o menos"),
            (EXPIRING, "Vencidos o vencen pronto"),
            (ALL, "Todos"),
        ]

    @property
    def parameters(self) -> dict[str, str]:
        """Return what an address needs to ask for the same."""
        return {SEARCH: self.words} if self.words else {FILTER: self.chosen}

    def select(self) -> QuerySet[CreditBalance]:
        """Return the balances, each with its company and who recorded it."""
        found = CreditBalance.objects.all()
        if self.words:
            found = found.filter(
                Q(customer__rfc__startswith=self.words.upper()) | Q(customer__legal_name__icontains=self.words)
            )
        elif self.chosen == LOW:
            found = found.low()
        elif self.chosen == EXPIRING:
            found = found.expiring()
        return found.select_related("customer", "recorded_by")


def read_query(address: Mapping[str, str]) -> CreditsQuery:
    """Return what the parameters of an address ask for; by default the companies with few credits."""
    words = address.get(SEARCH, "").replace("\0", "").strip()[:MAX_WORDS]
    chosen = address.get(FILTER, "")
    return CreditsQuery(words, chosen if chosen in (LOW, EXPIRING, ALL) else LOW)
