"""The files of installed Debian packages, for a VM that needs more than busybox."""
import glob
import os
import re
import subprocess

import archive

LEFT_OUT = ("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/info/", "usr/share/lintian/")
# What scripts of the packages pull in and none of our programs uses.
NOT_FOLLOWED = {"debconf", "dpkg", "install-info", "sensible-utils", "systemd", "udev"}
ALTERNATIVES = "/etc/alternatives"


def add_packages(root, names):
    """Puts the packages and all that they depend on into an archive.Root."""
    for path in _files(_with_dependencies(names)):
        if not archive.merged(path).startswith(LEFT_OUT) and (os.path.islink(path) or os.path.isfile(path)):
            root.host_file(path)
    _add_alternatives(root)


def installed(name):
    return name in _read_status()[0]


def add_python_caches(root, folder):
    """The compiled modules of a folder whose sources are in the root: no package has them."""
    for path in glob.glob(folder + "/**/__pycache__/*.pyc", recursive=True):
        source = os.path.join(os.path.dirname(os.path.dirname(path)), os.path.basename(path).split(".")[0] + ".py")
        if archive.merged(source) in root:
            root.host_file(path)


def _with_dependencies(names):
    """The packages and what they need, of those that are installed."""
    needs, provides = _read_status()
    wanted, todo = set(), list(names)
    while todo:
        name = todo.pop()
        name = name if name in needs else provides.get(name)
        if name in wanted or name is None or (name in NOT_FOLLOWED and name not in names):
            continue
        wanted.add(name)
        todo += needs[name]
    return sorted(wanted)


def _read_status():
    form = "${db:Status-Status}\t${Package}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
    text = subprocess.run(["dpkg-query", "-W", "-f", form], check=True, stdout=subprocess.PIPE, text=True).stdout
    needs, provides = {}, {}
    for line in text.splitlines():
        status, name, depends, provided = line.split("\t")
        if status == "installed":
            # Of alternatives, the ones that are installed.
            needs[name] = re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]*)", depends)
            provides.update((other, name) for other in re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9.+-]*)", provided))
    return needs, provides


def _files(packages):
    text = subprocess.run(["dpkg-query", "-L", *packages], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [line for line in text.splitlines() if line.startswith("/") and line[1:] not in archive.MERGED]


def _add_alternatives(root):
    """/usr/bin/awk and the like, where the root has what they lead to; and sh, which is dash's by a diversion."""
    if "usr/bin/dash" in root:
        root.link("usr/bin/sh", "dash")
    for name in os.listdir(ALTERNATIVES):
        link = os.path.join(ALTERNATIVES, name)
        command = "/usr/bin/" + name
        target = archive.merged(os.path.realpath(link))
        if target in root and os.path.islink(command) and os.readlink(command) == link:
            root.host_file(link)
            root.host_file(command)
