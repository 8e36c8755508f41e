"""The RFC table: cleaned, accepted, flagged or refused with its own words."""

import pytest

from accounts.rfc import BadRFC, parse_rfc


@pytest.mark.parametrize(
    ("typed", "value", "check_failed", "is_company"),
    [
        ("MAB9307148T4", "MAB9307148T4", False, True),
        (" mab-930714-8t4 ", "MAB9307148T4", False, True),
        ("MAB.930714.8T4", "MAB9307148T4", False, True),
        ("GODE 561231 GR8", "GODE561231GR8", False, False),
        ("VACE460910SX6", "VACE460910SX6", True, False),
        ("EKU9003173C9", "EKU9003173C9", False, True),
        ("Ñ&A9303031H9", "Ñ&A9303031H9", True, True),
        ("ñ&a930303 1h9", "Ñ&A9303031H9", True, True),
    ],
)
def test_what_is_taken(typed, value, check_failed, is_company):
    rfc = parse_rfc(typed)
    assert (rfc.value, rfc.check_failed, rfc.is_company) == (value, check_failed, is_company)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("XAXX010101000", "genérico para público en general"),
        ("xexx-010101-000", "genérico para residentes en el extranjero"),
        ("COMG600703", "con homoclave"),
        ("COMG-600703", "con homoclave"),
        ("MAB930714", "escribió 9"),
        ("MAB9307148T4XX", "escribió 14"),
        ("", "escribió 0"),
        ("MA19307148T4", "lleva letras"),
        ("123456789012", "lleva letras"),
        ("MAB9313148T4", "la fecha"),
        ("MAB93071Ñ8T4", "lleva letras"),
        ("<script>abcd", "lleva letras"),
    ],
)
def test_what_is_refused(typed, says):
    with pytest.raises(BadRFC, match=says):
        parse_rfc(typed)
