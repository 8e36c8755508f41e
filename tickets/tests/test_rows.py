"""The text of a message, as pages print it; rows and histories are read in the tests of their pages."""

import pytest
from django.template import Context, Template

from tickets.message_text import read_blocks

TEXT = "No <b>avanza</b>\nnada\n\nPasos que siguió:\n1. Entré & salí\n2. Timbré"
WANTED = (
    "<p>No &lt;b&gt;avanza&lt;/b&gt;<br>nada</p>"
    '<p class="fy-strong fy-mb-1">Pasos que siguió</p>'
    "<ol><li>Entré &amp; salí</li><li>Timbré</li></ol>"
)


@pytest.mark.clause("M17")
def test_a_message_is_printed_escaped_with_its_steps_as_a_list() -> None:
    page = Template("{% load tickets %}{% body blocks %}").render(Context({"blocks": read_blocks(TEXT)}))
    assert page == WANTED
