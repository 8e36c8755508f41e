"""What mesa de control and Auditoría read of all apps together: the log, its exports, and the board of the manual."""
