"""The addresses of packages × everybody (M3, M28–M32).

Laura asked for a change of a package; it was authorized and weighed, and waits for its copy, by Laura or by Gina.
"""

from typing import Any

from change_requests.packages.models import PackageChange, PackageFile, SupplierPackage
from factureya.testing.access import Row, World, codes, key
from factureya.testing.access_emergency import MEMBERS
from factureya.testing.packages import Packages
from factureya.testing.people import Cast

KEEPERS = ("laura", "gina", "jorge")


def make_packages(cast: Cast) -> None:
    """Make a package, and its change that waits for the copy."""
    Packages(cast).bring(PackageChange.Status.IMPACT_WEIGHED)


def folio(_world: World) -> list[Any]:
    """Return the folio of the change."""
    return [PackageChange.objects.get().folio]


def copy_of(world: World) -> list[Any]:
    """Return the folio of the change, and the kind of file that it waits for."""
    return [*folio(world), "copy"]


def no_upload(world: World) -> list[Any]:
    """Return the folio of the change, and the token of an upload that is not there."""
    return [*folio(world), "otra"]


def other_kind(world: World) -> list[Any]:
    """Return the folio of the change, and a kind of file that none is."""
    return [*folio(world), "original"]


def package(_world: World) -> list[Any]:
    """Return the key of the package."""
    return [SupplierPackage.objects.get().pk]


def no_copy(world: World) -> list[Any]:
    """Return the key of the package, and that of a copy that is not there."""
    return [*package(world), 999]


def original(_world: World) -> list[Any]:
    """Return the token of the package's original."""
    return [PackageFile.objects.get(kind="original").token]


def only(everybody: int, *names: str, code: int = 200, olga: int = 403) -> dict[str, int]:
    """Return the codes of what these people may do: the others of mesa de control get `everybody`."""
    others = {**dict.fromkeys(MEMBERS, everybody), "olga": olga, **dict.fromkeys(names, code)}
    return codes(404, anonymous=302, **others)


SEEN = codes(404, anonymous=302, **MEMBERS)
NOT_FOUND = codes(404, anonymous=302)
POST_ONLY = codes(405)
ROWS: dict[str, list[Row]] = {
    "packages:list": [Row(SEEN), Row(SEEN, query="?lista=paquetes&despues=1.1")],
    "packages:register": [Row(only(302, *KEEPERS, olga=302)), Row(only(302, *KEEPERS), method="post")],
    "packages:original_pieces": [Row(only(403, *KEEPERS)), Row(only(403, *KEEPERS), method="post")],
    "packages:ask": [Row(only(302, *KEEPERS, olga=302)), Row(only(302, *KEEPERS), method="post")],
    "packages:file": [Row(SEEN, original), Row(NOT_FOUND, key("otro"))],
    "packages:package": [Row(SEEN, package), Row(NOT_FOUND, key(999))],
    "packages:end_sale": [Row(POST_ONLY, package), Row(only(403, *KEEPERS), package, method="post")],
    "packages:record_port": [Row(POST_ONLY, no_copy), Row(NOT_FOUND | {"olga": 403}, no_copy, method="post")],
    "packages:change": [Row(SEEN, folio), Row(NOT_FOUND, key("PQ-0000-0000"))],
    "packages:drop_upload": [Row(POST_ONLY, no_upload), Row(only(409), no_upload, method="post")],
    "packages:pieces": [
        Row(only(403, "laura", "gina"), copy_of),
        Row(only(403, "laura", "gina"), copy_of, method="post"),
        Row(NOT_FOUND, other_kind),
    ],
}
# Each step of a change: who would do it in its turn; the change waits for its copy, so all others are out of turn.
for act, names in {
    "authorize": ("jorge",),
    "judge_licence": ("laura", "elsa"),
    "add_consent": ("laura", "elsa"),
    "choose_option": ("jorge",),
    "estimate_impact": ("laura", "gina"),
    "sign_impact": ("jorge",),
    "test_copy": KEEPERS,
    "release": ("jorge", "gina"),
    "revert": KEEPERS,
}.items():
    ROWS[f"packages:{act}"] = [Row(POST_ONLY, folio), Row(only(403, *names, code=409), folio, method="post")]
for act, names in {"make_copy": ("laura", "gina"), "cancel": ("laura", "jorge")}.items():
    ROWS[f"packages:{act}"] = [Row(POST_ONLY, folio), Row(only(403, *names), folio, method="post")]
