"""Cases that runsc-cpp does not pass yet, each with what is missing. They are skipped where a whole suite runs, and tried
where they are named; an entry goes when its feature comes."""

IPC = "System V IPC is not there"

NOT_YET = {
    "oci": {
        **{"prop." + name: IPC for name in (
            "sysctl_kernel_shmmax", "sysctl_kernel_msgmax", "sysctl_kernel_sem", "sysctl_read_only_proc_sys",
            "namespaces_new")},
    },
    "docker": {
    },
    "cri": {
    },
}


def reason(suite, name, runtime):
    """Why not to try this case now, or None. Others than ours are held to all."""
    return None if runtime.endswith("runc") else NOT_YET[suite].get(name)
