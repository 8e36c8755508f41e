"""Run the tests in reverse order, to show that none depends on another: `pytest -p factureya.dev.reverse`."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Reverse the order of the tests; browser tests stay last, because no other test may follow them."""
    items.reverse()
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
