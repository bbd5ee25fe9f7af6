"""Cases that runsc-cpp does not pass yet, each with what is missing. They are skipped where a whole suite runs, and tried
where they are named; an entry goes when its feature comes."""

NOT_YET = {
    "oci": {
    },
    "docker": {
    },
    "cri": {
    },
}


def reason(suite, name, runtime):
    """Why not to try this case now, or None. Others than ours are held to all."""
    return None if runtime.endswith("runc") else NOT_YET[suite].get(name)
