"""The board «Cumplimiento del manual», for everybody of mesa de control (M1–M33)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View

from accounts.web.mixins import ControlMixin, get_person
from factureya.oversight import board, log_page

PENDING = "pendientes"


class Board(ControlMixin, View):
    """Show each clause with its evidence, and the tests of one clause when the address names it."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the board, all of it or only what is pending (`ver`), with the tests of one clause (`pruebas`)."""
        only_pending = request.GET.get("ver") == PENDING
        context = {
            "board": board.read_board(get_person(request), only_pending=only_pending),
            "strip": log_page.make_strip(),  # what the last verification of the log found
            "proof": board.find_proof(request.GET.get("pruebas", "")),  # the tests of this clause
        }
        return render(request, "oversight/board.html", context)
