"""The new words of a mail: quotes and signatures cut, a whole forward kept whole.

Losing the customer's words is the worst outcome and keeping too much a blemish, so whatever is not surely a quote,
a signature or a mail program's line stays; when nothing would be left, all of it stays. No parser on PyPI does so:
on public bodies each loses words in one of seven (background/mail.md).
"""

import re

FORWARD = re.compile(
    r"^\W*(?:forwarded message|begin forwarded message|mensaje reenviado|inicio del mensaje reenviado|"
    r"comienzo del mensaje reenviado|message transféré|weitergeleitete nachricht|mensagem encaminhada|"
    r"messaggio inoltrato|doorgestuurd bericht)\W*$",
    re.IGNORECASE,
)
ORIGINAL = re.compile(
    r"^[\s*_-]*-{2,}\s*(?:original message|mensaje original|message d'origine|ursprüngliche nachricht|"
    r"mensagem original|messaggio originale|oorspronkelijk bericht)\s*-{2,}[\s*_-]*$",
    re.IGNORECASE,
)
VERB = r"(?:escribi[óo]|wrote|a écrit|schrieb|schreef|escreveu|ha scritto|skrev)"
DATED = re.compile(
    r"^\W{0,3}(?:el|on|le|am|op|em|il|den)\b.{0,30}\d|^\W{0,3}\d{1,4}[-/.]\d{1,2}[-/.]\d",
    re.IGNORECASE,
)
SAID = re.compile(
    rf".{{4,300}}\b{VERB}\b.{{0,60}}:\W{{0,3}}$|.{{4,300}}<[^\s<>]+@[^\s<>]+>\s*:\W{{0,3}}$",
    re.IGNORECASE,
)
NAMED = re.compile(
    rf".{{0,150}}<[^\s<>]+@[^\s<>]+>\W{{0,3}}{VERB}\b.{{0,30}}:\W{{0,3}}$", re.IGNORECASE
)
ADDRESS, CLOCK, YEAR = (
    re.compile(r"@"),
    re.compile(r"\b\d{1,2}[:.h]\d\d\b"),
    re.compile(r"\b(?:19|20)\d\d\b"),
)
LABELS = {
    "from": "de|from|von|da|van|expéditeur",
    "date": "enviado el|enviado|sent|date|fecha|envoyé|gesendet|data|inviato|verzonden|enviada em",
    "to": "para|to|à|an|a|aan|destinatario|pour",
    "subject": "asunto|subject|objet|betreff|oggetto|onderwerp|assunto",
}
LABEL = re.compile(
    r"^[\s>]*[*_]*(?:"
    + "|".join(f"(?P<{key}>{names})" for key, names in LABELS.items())
    + r")[*_]*\s*:[*_]*(?=\s|$)",
    re.IGNORECASE,
)
MOBILE = re.compile(
    r"^\W*(?:sent from (?:my|outlook|mail|yahoo)|get outlook for|sent via|enviado desde (?:mi|outlook|correo|yahoo|"
    r"mail|un)|enviado (?:con|de) (?:mi|outlook)|obt[eé]n(?:er)? outlook|descargar outlook|envoyé de(?:puis)? mon|"
    r"diese nachricht wurde von meinem .* gesendet|von meinem .* gesendet|enviado do meu|inviato da)\b.{0,80}$",
    re.IGNORECASE,
)
RULE = re.compile(r"^\s*(?:([-_=*#~+.•])\1+|ᐧ)?\s*$")  # nothing, or a line drawn with one sign
HEADER_LINE = re.compile(r"^(?:[A-Za-z][A-Za-z-]*:|\s+\S)")
SIGNATURE_LINES = 20
MAX_WRAPPED = 4  # lines over which an attribution may be broken
MAX_BLOCK = 10  # lines of a block «De: … Enviado: … Asunto: …»


def reply_text(text: str, *, is_forward: bool = False) -> str:
    """What the sender wrote himself. `is_forward`: the subject says that he sends on somebody else's mail."""
    whole = text.strip()
    lines = _without_stray_head(text.replace("\u202f", " ").replace("\xa0", " ").split("\n"))
    cut = _original_at(lines)
    forward = next((n for n, line in enumerate(lines) if FORWARD.match(line)), len(lines))
    if is_forward or forward < cut:
        return whole
    own = "\n".join(_without_signature(_without_quotes(lines[:cut]))).strip()
    return own or whole


def _without_stray_head(lines: list[str]) -> list[str]:
    """A head that a blank line pushed into the text is not what somebody wrote."""
    end = next((n for n, line in enumerate(lines) if not HEADER_LINE.match(line)), len(lines))
    names = {line.partition(":")[0].lower() for line in lines[:end]}
    is_head = (
        end < len(lines)
        and not lines[end].strip()
        and len(names & {"received", "delivered-to", "from"}) > 1
    )
    return lines[end:] if is_head else lines


def _original_at(lines: list[str]) -> int:
    """Where the mail that is answered begins without «>»; the number of lines when it does not.

    Something must stand above it: what only looks like an original and has no answer above is what was written.
    """
    last_quoted = max((n for n, line in enumerate(lines) if line.startswith(">")), default=-1)
    has_own = False
    for number, line in enumerate(lines):
        if has_own and (
            ORIGINAL.match(line)
            or _is_block(lines, number)
            or (
                number > last_quoted
                and (said := _attribution(lines, number))
                and _is_certain(said[0])
            )
        ):
            return number
        has_own = has_own or not (
            RULE.match(line) or line.startswith(">") or _attribution(lines, number)
        )
    return len(lines)


def _is_block(lines: list[str], at: int) -> bool:
    """Whether the head of a quoted mail begins here: who, when, and to whom or about what."""
    first = LABEL.match(lines[at])
    if not first or first.lastgroup != "from":
        return False
    found = {
        match.lastgroup for line in lines[at + 1 : at + MAX_BLOCK] if (match := LABEL.match(line))
    }
    return "date" in found and bool(found & {"to", "subject"})


def _attribution(lines: list[str], at: int) -> tuple[str, int] | None:
    """«El … escribió:» that begins at this line, joined, and how many lines it takes."""
    if not DATED.match(lines[at]):
        return (lines[at], 1) if NAMED.match(lines[at]) else None
    joined = lines[at].strip()
    for count, line in enumerate(lines[at + 1 : at + MAX_WRAPPED], start=1):
        if joined.rstrip(" *_").endswith(":"):
            return (joined, count) if _is_said(joined) else None
        # What begins anew at a later line begins there: the lines before it are the sender's own.
        if not line.strip() or line.startswith(">") or DATED.match(line) or len(joined) > 400:
            return None
        joined = f"{joined} {line.strip()}"
    is_last = at + MAX_WRAPPED > len(lines) or joined.rstrip(" *_").endswith(":")
    return (joined, min(MAX_WRAPPED, len(lines) - at)) if is_last and _is_said(joined) else None


def _is_said(joined: str) -> bool:
    return bool(
        SAID.match(joined)
        and (ADDRESS.search(joined) or CLOCK.search(joined) or YEAR.search(joined))
    )


def _is_certain(said: str) -> bool:
    """Whether an attribution is no sentence of the customer's: it gives an address, or the minute of a year."""
    return bool(ADDRESS.search(said) or (CLOCK.search(said) and YEAR.search(said)))


def _without_quotes(lines: list[str]) -> list[str]:
    """Own lines alone; with the quotes between them where each is an answer to one."""
    kept: list[str] = []
    marks = [line.startswith(">") for line in lines]
    if _is_interleaved(lines, marks):
        last = max(n for n, line in enumerate(lines) if not marks[n] and not RULE.match(line))
        return lines[: last + 1]
    number = 0
    while number < len(lines):
        said = _attribution(lines, number)
        if said and _quote_follows(lines, number + said[1]):
            number += said[1]
            continue
        if not marks[number]:
            kept.append(lines[number])
        number += 1
    return kept


def _is_interleaved(lines: list[str], marks: list[bool]) -> bool:
    """Whether own words follow at least two quotes."""
    answers, after_quote = 0, False
    for line, is_quoted in zip(lines, marks, strict=True):
        if is_quoted:
            after_quote = True
        elif after_quote and not RULE.match(line):
            answers, after_quote = answers + 1, False
    return answers > 1


def _quote_follows(lines: list[str], at: int) -> bool:
    following = next((line for line in lines[at : at + 3] if line.strip()), "")
    return following.startswith(">")


def _without_signature(lines: list[str]) -> list[str]:
    """Cut from the standard «-- » line on, the line of a telephone, and rules at the end."""
    for number in range(max(0, len(lines) - SIGNATURE_LINES), len(lines)):
        if lines[number] == "-- " and any(line.strip() for line in lines[:number]):
            lines = lines[:number]
            break
    end = len(lines)
    while end and (RULE.match(lines[end - 1]) or MOBILE.match(lines[end - 1])):
        end -= 1
    return lines[:end]
