"""/control/: the log of events, its exports, and the board of the manual."""

from django.urls import path

from factureya.oversight import views_board, views_exports, views_log

app_name = "oversight"

urlpatterns = [
    path("bitacora/", views_log.Log.as_view(), name="log"),
    path("bitacora/<int:pk>/", views_log.OneEvent.as_view(), name="event"),
    path("bitacora/exportar/", views_exports.Exports.as_view(), name="exports"),
    path("bitacora/exportes/<int:pk>/", views_exports.OneExport.as_view(), name="export"),
    path("bitacora/exportes/<int:pk>/<slug:name>.csv", views_exports.ExportFile.as_view(), name="export_file"),
    path("cumplimiento/", views_board.Board.as_view(), name="board"),
]
