"""What our own mail server says of a sender, and nobody else (M5, RFC 8601)."""

import pytest

from factureya.core.mail.verdicts import Verdict, read_verdict

pytestmark = pytest.mark.clause("M5")
OURS = "mx.factureya.com"
PASS, FAIL, NONE = Verdict.PASS, Verdict.FAIL, Verdict.NONE
GOOD = f"{OURS}; dmarc=pass (p=reject dis=none) header.from=ejemplo.mx"


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([], NONE),
        ([GOOD], PASS),
        ([GOOD.upper()], PASS),
        ([f"{OURS} 1; spf=pass smtp.mailfrom=x@otro.mx; dmarc=pass header.from=ejemplo.mx"], PASS),
        ([f'"{OURS}"; dmarc / 1 = pass header.from=ana@ejemplo.mx'], PASS),
        ([f"{OURS}; dkim=pass header.d=ejemplo.mx", GOOD], PASS),
        # Two servers' headers: ours counts, wherever it stands.
        (["mx.otro.com; dmarc=fail header.from=ejemplo.mx", GOOD], PASS),
        (["mx.otro.com; dmarc=pass header.from=ejemplo.mx"], NONE),
        ([f"{OURS}.evil.mx; dmarc=pass header.from=ejemplo.mx"], NONE),
        ([f"({OURS}) mx.evil.mx; dmarc=pass header.from=ejemplo.mx"], NONE),
        # A failure always counts.
        ([f"{OURS}; dmarc=fail header.from=ejemplo.mx"], FAIL),
        ([f"{OURS}; dmarc=fail (p=none)"], FAIL),
        ([f"{OURS}; dmarc=quarantine header.from=ejemplo.mx"], FAIL),
        ([f"{OURS}; dmarc=fail header.from=ejemplo.mx", GOOD], FAIL),
        ([GOOD, f"{OURS}; dmarc=fail header.from=ejemplo.mx"], FAIL),
        # A pass for somebody else's domain is a failure for this one.
        ([f"{OURS}; dmarc=pass header.from=evil.mx"], FAIL),
        ([f"{OURS}; dmarc=pass header.from=ejemplo.mx.evil.mx"], FAIL),
        ([f"{OURS}; dmarc=pass header.from=mail.ejemplo.mx"], FAIL),
        # Undecided: no policy, no answer, no domain named, other methods.
        ([f"{OURS}; none"], NONE),
        ([f"{OURS}; dmarc=none header.from=ejemplo.mx"], NONE),
        ([f"{OURS}; dmarc=temperror header.from=ejemplo.mx"], NONE),
        ([f"{OURS}; dmarc=bestguesspass header.from=ejemplo.mx"], NONE),
        ([f"{OURS}; dmarc=none header.from=ejemplo.mx", GOOD], NONE),
        ([f"{OURS}; dmarc=pass"], NONE),
        ([f"{OURS}; spf=pass smtp.mailfrom=ejemplo.mx; dkim=pass header.d=ejemplo.mx"], NONE),
        # What a sender can write into a comment, a reason or a quoted string is no result.
        ([f"{OURS}; spf=fail (dmarc=pass header.from=ejemplo.mx)"], NONE),
        ([f"{OURS}; spf=fail (a (b); dmarc=pass header.from=ejemplo.mx"], NONE),
        ([f'{OURS}; spf=fail smtp.mailfrom="x; dmarc=pass header.from=ejemplo.mx"'], NONE),
        ([f'{OURS}; spf=fail reason="\\"; dmarc=pass header.from=ejemplo.mx"'], NONE),
        ([f"{OURS}; x-dmarc=pass header.from=ejemplo.mx"], NONE),
        ([OURS], NONE),
        ([""], NONE),
        ([";;;((("], NONE),
    ],
)
def test_verdict(headers: list[str], wanted: Verdict):
    assert read_verdict(headers, authserv=OURS, domain="Ejemplo.mx") == wanted


def test_nobody_is_trusted_until_the_server_has_a_name():
    assert read_verdict([GOOD], authserv="", domain="ejemplo.mx") == NONE
    assert read_verdict(["; dmarc=pass header.from=ejemplo.mx"], authserv=" ", domain="ejemplo.mx") == NONE
