"""Find the new words of a mail that answers one of ours: quotes and signatures are cut, a forward stays whole (M17).

To lose the customer's words is the worst outcome, to keep too much a small fault. So a line is cut only if it is surely
a quote, a signature or a mail program's line; if nothing would be left, everything stays. In a mail that answers
nothing of ours all words are new, and this module is not used.
"""

import re

MAX_LINE = 1000  # characters; a longer line is text whatever it looks like, and meets no pattern
LONG_LINE = "x"  # what the patterns see in its place
FORWARD = re.compile(
    r"^\W*(?:(?:begin )?forwarded message|(?:mensaje|correo) reenviado|(?:inicio|comienzo) del mensaje reenviado|"
    r"message transféré|weitergeleitete nachricht|mensagem encaminhada|messaggio inoltrato|doorgestuurd bericht)"
    r"(?: (?:por|from|de|by)\b.{0,150}|\W{0,100})$",
    re.IGNORECASE,
)
ORIGINALS = set(
    "original message|mensaje original|message d'origine|ursprüngliche nachricht|mensagem original|messaggio originale|"
    "oorspronkelijk bericht".split("|")
)
VERB = r"(?:escribi[óo]|ha escrito|wrote|a écrit|schrieb|schreef|escreveu|ha scritto|skrev|kirjoitti|napisał)"
DATED = re.compile(r"^\W{0,3}(?:el|on|le|am|op|em|il|den)\b.{0,30}\d|^\W{0,3}\d{1,4}[-/.]\d{1,2}[-/.]\d", re.IGNORECASE)
BRACKETED = r"<[^\s<>@]{1,64}@[^\s<>@]{1,255}>"
SAID = re.compile(rf".{{4,300}}\b{VERB}\b.{{0,60}}:\W{{0,3}}$|.{{4,300}}{BRACKETED}\s{{0,3}}:\W{{0,3}}$", re.IGNORECASE)
NAMED = re.compile(rf".{{0,150}}{BRACKETED}\W{{0,3}}{VERB}\b.{{0,30}}:\W{{0,3}}$", re.IGNORECASE)
CLOCK = re.compile(r"\b\d{1,2}[:.h]\d\d\b")
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
# A person tells so who wrote to whom; a program never does.
PERSONAL = re.compile(r"\b(?:me|nos|te|le|les|lo|los|se) (?:escribi|ha escrito)|\bwrote (?:me|us|to)\b", re.IGNORECASE)
# Customers write sentences in these languages: without an address only a quote behind it makes an attribution.
CUSTOMER_VERB = re.compile(r"\b(?:escribi[óo]|ha escrito|wrote)\b", re.IGNORECASE)
LABELS = {
    "from": "de|from|von|da|van|expéditeur",
    "date": "enviado el|enviados?|sent|date|fecha|envoyé|gesendet|data|inviato|verzonden|enviada em",
    "to": "para|to|à|an|a|aan|destinatario|pour",
    "subject": "asunto|subject|objet|betreff|oggetto|onderwerp|assunto",
}
LABEL = re.compile(
    r"^[\s>]*[*_]*(?:" + "|".join(f"(?P<{key}>{names})" for key, names in LABELS.items()) + r")[*_]*\s*:[*_]*(?=\s|$)",
    re.IGNORECASE,
)
LINE_SIGNS = "-_=*#~+.•"  # signs of which a line is drawn
HEADER_LINE = re.compile(r"^(?:[A-Za-z][A-Za-z-]*:|\s+\S)")
SENT_FROM = (
    "sent from|sent via|sent with|get outlook|get bluemail|enviado desde|enviado con|enviado de|enviado por|enviado do|"
    "obtén|obten|obtener|descarga|descargar|descargue|envoyé de|envoyé depuis|diese nachricht wurde von meinem|"
    "von meinem|gesendet von|inviato da|verzonden vanaf".split("|")
)
# Names of devices and mail programs; the line of a telephone consists of them and of the words that join them.
DEVICES = frozenset(
    "iphone ipad ipod android samsung galaxy huawei motorola moto xiaomi redmi nokia blackberry oppo vivo honor pixel "
    "celular teléfono telefono móvil movil smartphone phone cellphone mobile handy mobiltelefon tablet dispositivo "
    "device outlook mail correo yahoo gmail hotmail bluemail airmail protonmail proton thunderbird windows ios "
    "smartphone telefon téléphone telefoon".split()
)
JOINING = frozenset(
    "a an the my mi mis un una el la de del con for para from por pour für en in on via with mit da do dal das mon meu "
    "mio meinem mijn app aplicación aplicacion móvil version versión pro max plus mini ultra lite note edge prime air "
    "secure email g 5g 4g lte inalámbrico wireless apple google microsoft telcel verizon at&t gmx web de gesendet "
    "inteligente sony lg alcatel zte one play power se xl x fe k".split()
)
MODEL = re.compile(r"[a-z]{0,2}\d{1,3}[a-z]{0,2}")  # S21, 12, A54s
MAX_DEVICE_LINE = 90  # characters
SIGNATURE_LINES = 20
MAX_WRAPPED = 4  # lines over which an attribution may be broken
MAX_HEAD_LINES = 10  # lines of the head of a quoted mail («De: … Enviado: … Asunto: …»)


def extract_reply(text: str, *, is_forward: bool = False) -> str:
    """Return what the sender of an answer wrote: the text without the quoted mail and the signature (M17).

    A mail that forwards another stays whole, and so does one of which nothing would be left. `is_forward` is True if
    the subject says so. A line of more than MAX_LINE characters is never a quote or signature.
    """
    lines = text.replace("\u202f", " ").replace("\xa0", " ").split("\n")
    checked_lines = [line if len(line) <= MAX_LINE else LONG_LINE for line in lines]
    start = _count_stray_lines(checked_lines)  # headers above the text
    lines, checked_lines = lines[start:], checked_lines[start:]
    end = _find_unmarked_quote(checked_lines)  # where a quote without «>» begins
    forward_start = next((n for n, line in enumerate(checked_lines) if FORWARD.match(line)), len(lines))
    if is_forward or forward_start < end:  # the forwarded mail stands above any quote
        return text.strip()
    own_lines = _drop_signature(checked_lines, _drop_quotes(checked_lines[:end]))
    return "\n".join(lines[number] for number in own_lines).strip() or text.strip()


def _count_stray_lines(lines: list[str]) -> int:
    """Return how many lines at the top of a mail's text are headers, cut off from its head by a stray blank line.

    A blank line must follow, and two of Received, Delivered-To and From must be among them; else it is 0.
    """
    end = next((n for n, line in enumerate(lines) if not HEADER_LINE.match(line)), len(lines))
    names = {line.partition(":")[0].lower() for line in lines[:end]}
    is_head = end < len(lines) and not lines[end].strip() and len(names & {"received", "delivered-to", "from"}) > 1
    return end if is_head else 0


def _find_unmarked_quote(lines: list[str]) -> int:
    """Return the number of the line where a quote without «>» begins, or the number of lines if there is none.

    Such a quote begins with «-----Mensaje original-----», the head of a mail, or an attribution («El … escribió:»).
    Text of the sender must stand above it. An attribution counts only below the last line with «>»: before such a line
    `_drop_quotes` cuts the quote instead.
    """
    last_quoted = max((n for n, line in enumerate(lines) if line.startswith(">")), default=-1)
    last = max((n for n, line in enumerate(lines) if line.strip()), default=-1)  # the last line with text
    has_text_above = False
    for number, line in enumerate(lines):
        attribution, line_count = _find_attribution(lines, number)
        is_quote_start = _is_original_line(line) or _is_quoted_head(lines, number)
        if attribution and number > last_quoted:
            is_end = number + line_count > last  # no text follows; then less proof is needed
            is_quote_start = is_quote_start or _is_certain_attribution(attribution, is_end=is_end)
        if has_text_above and is_quote_start:
            return number
        has_text_above = has_text_above or not (_has_no_words(line) or line.startswith(">") or attribution)
    return len(lines)


def _is_original_line(line: str) -> bool:
    """Return True if the line is «-----Mensaje original-----», in any language: a mail program quotes a mail below."""
    bare = line.strip(" \t*_")
    return bare.startswith("--") and bare.endswith("--") and bare.strip("- \t").lower() in ORIGINALS


def _has_no_words(line: str) -> bool:
    """Return True if a line of a mail has no words: it is blank, a separator («-----»), or a mail tracker's «ᐧ»."""
    bare = line.strip()
    return bare in {"", "ᐧ"} or (len(bare) > 1 and bare[0] in LINE_SIGNS and bare == bare[0] * len(bare))


def _is_quoted_head(lines: list[str], at: int) -> bool:
    """Return True if the head of a quoted mail begins at line `at`: «De:», then a date, and «Para:» or «Asunto:»."""
    first = LABEL.match(lines[at])
    if not first or first.lastgroup != "from":
        return False
    labels = {match.lastgroup for line in lines[at + 1 : at + MAX_HEAD_LINES] if (match := LABEL.match(line))}
    return "date" in labels and bool(labels & {"to", "subject"})


def _find_attribution(lines: list[str], at: int) -> tuple[str, int]:
    """Return the attribution of a quote («El … escribió:») that begins at line `at`, and its number of lines.

    It begins with a date and has up to MAX_WRAPPED lines, or it is one line with name and address. Else it is ("", 0).
    """
    if not DATED.match(lines[at]):  # «Ana <ana@x.mx> escribió:»
        return (lines[at], 1) if NAMED.match(lines[at]) else ("", 0)
    joined = lines[at].strip()
    for count, line in enumerate(lines[at + 1 : at + MAX_WRAPPED], start=1):
        if joined.rstrip(" *_").endswith(":"):
            return (joined, count) if _looks_like_attribution(joined) else ("", 0)
        # No end yet: it is no attribution if a blank line, a quote or another date follows, or if it is too long.
        if not line.strip() or line.startswith(">") or DATED.match(line) or len(joined) > 400:
            return "", 0
        joined = f"{joined} {line.strip()}"
    # It is complete if the mail ends here, or if its last line ends with «:».
    is_complete = at + MAX_WRAPPED > len(lines) or joined.rstrip(" *_").endswith(":")
    if not is_complete or not _looks_like_attribution(joined):
        return "", 0
    return joined, min(MAX_WRAPPED, len(lines) - at)


def _looks_like_attribution(joined: str) -> bool:
    """Return True if the joined lines look like «El … escribió:» before a quote, with an address, a time or a year."""
    has_proof = "@" in joined or CLOCK.search(joined) or YEAR.search(joined)
    return bool(SAID.match(joined) and not PERSONAL.search(joined) and has_proof)  # a person writes «me escribió»


def _is_certain_attribution(attribution: str, *, is_end: bool) -> bool:
    """Return True if «El … escribió:» before a quote without «>» is surely written by a mail program, not the customer.

    An address in it is proof. Year and time are proof if it ends the mail, or is in a language customers do not write.
    """
    is_dated = bool(CLOCK.search(attribution) and YEAR.search(attribution))
    return "@" in attribution or (is_dated and (is_end or not CUSTOMER_VERB.search(attribution)))


def _drop_quotes(lines: list[str]) -> list[int]:
    """Return the numbers of the lines to keep: the sender's own. Quotes are kept if the sender answers each of them.

    A line with «>» is a quote only after «El … escribió:» and at most two blank lines, because customers also write
    «> Facturas» for a step of a menu.
    """
    if _is_interleaved(lines):
        last_own = max(n for n, line in enumerate(lines) if not line.startswith(">") and not _has_no_words(line))
        return list(range(last_own + 1))
    own_lines: list[int] = []
    number, has_attribution = 0, False
    while number < len(lines):
        _, line_count = _find_attribution(lines, number)
        after = number + line_count
        next_text = next((line for line in lines[after : after + 3] if line.strip()), "")
        if line_count and next_text.startswith(">"):
            number, has_attribution = after, True
            continue
        is_quoted = has_attribution and lines[number].startswith(">")
        if not is_quoted:
            own_lines.append(number)
        number += 1
    return own_lines


def _is_interleaved(lines: list[str]) -> bool:
    """Return True if the sender's own words follow at least two quotes: the sender answers each quote below it."""
    answers, after_quote = 0, False
    for line in lines:
        if line.startswith(">"):
            after_quote = True
        elif after_quote and not _has_no_words(line):
            answers, after_quote = answers + 1, False
    return answers > 1


def _drop_signature(lines: list[str], own_lines: list[int]) -> list[int]:
    """Return the numbers of the sender's own lines without the signature, which begins with «-- » below some text.

    Lines at the end are dropped too if they are blank, a separator, or like «Enviado desde mi iPhone».
    """
    for index in range(max(0, len(own_lines) - SIGNATURE_LINES), len(own_lines)):
        if lines[own_lines[index]] == "-- " and any(lines[n].strip() for n in own_lines[:index]):
            own_lines = own_lines[:index]
            break
    end = len(own_lines)
    while end and (_has_no_words(lines[own_lines[end - 1]]) or is_device_line(lines[own_lines[end - 1]])):
        end -= 1
    return own_lines[:end]


def is_device_line(line: str) -> bool:
    """Return True for «Enviado desde mi iPhone» and the like, to cut it: an opening, then names of devices alone."""
    bare = line.strip(" \t*_.•-").lower()
    opening = next((opening for opening in SENT_FROM if bare.startswith(f"{opening} ")), "")
    if not opening or len(bare) > MAX_DEVICE_LINE:
        return False
    words = [word.strip(".,;:!()[]*_'\"") for word in bare.partition("<")[0].split()]  # «<link>» may follow
    words = [word for word in words if word and not word.startswith(("http:", "https:"))]  # no links
    names = [name for word in words[len(opening.split()) :] for name in word.replace("-", " ").split()]  # «iPhone-12»
    if opening.startswith("get "):  # «Get Outlook» names the program itself
        names.append(opening.removeprefix("get "))
    others = [name for name in names if name not in DEVICES and name not in JOINING and not MODEL.fullmatch(name)]
    return not others and any(name in DEVICES for name in names)
