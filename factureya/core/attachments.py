def purge_orphans() -> int:
    return 0
