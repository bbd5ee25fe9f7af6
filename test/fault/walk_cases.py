"""A tree far larger than what may be open: the sentry's and gofer's memory and descriptors stay bounded."""
import os
import resource
import shutil
import tempfile

import host
from sandbox import check

DESCRIPTOR_LIMIT = 1024
FILES_PER_DIRECTORY = 100
# What three to ten times the files may add to a process: allocator's slack, not a structure per file (hundreds of bytes each).
MOST_GROWTH_KB = 8 << 10
SCRIPT = """
find {tree} | wc -l
ls -lR {tree} | wc -l
find {tree} -name 'f9*' | sort | tail -1 | wc -l
echo walked
read x
"""


def make_tree(directory, files):
    tree = os.path.join(directory, f"tree-{files}")
    for number in range(files // FILES_PER_DIRECTORY):
        below = os.path.join(tree, f"d{number}")
        os.makedirs(below)
        for i in range(FILES_PER_DIRECTORY):
            os.close(os.open(os.path.join(below, f"f{i}"), os.O_CREAT | os.O_WRONLY, 0o644))
    return tree


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTOR_LIMIT, DESCRIPTOR_LIMIT))


def walk(context, files, volume):
    """Walks a tree. Returns name -> (memory in KiB, open descriptors) of sentry and gofer."""
    directory = tempfile.mkdtemp(dir=context.directory)
    tree = make_tree(directory, files)
    flags = [f"--volume={tree}:/walk"] if volume else []
    stdin_read, stdin_write = os.pipe()
    try:
        with context.run(["bash", "-c", SCRIPT.format(tree="/walk" if volume else tree)], flags=flags, stdin=stdin_read,
                         preexec_fn=limit_descriptors) as sandbox:
            sandbox.wait_for_output(b"walked\n", 600)
            directories = files // FILES_PER_DIRECTORY
            # find: files, directories, the top; ls -lR: files, a head and a total each, blank lines between.
            expected = [str(files + directories + 1), str(files + directories + (directories + 1) * 3 - 1), "1", "walked"]
            got = sandbox.output.decode().split()
            check(got == expected, f"counted {got}, expected {expected}")
            check(not sandbox.errors(), f"stderr: {sandbox.error_lines()[:3]}")
            result = {}
            for name in ("sentry", "gofer"):
                pid = sandbox.part(name)
                result[name] = (host.status_kb(pid, "RssAnon"), host.open_files(pid))
            os.write(stdin_write, b"\n")
            check(sandbox.wait(10) == 0, "exit code")
            sandbox.check_nothing_left(1)
            return result
    finally:
        os.close(stdin_read)
        os.close(stdin_write)
        shutil.rmtree(directory)


def flat(volume):
    def run(context):
        few, many = 20_000, 200_000 if context.full else 60_000  # both fill the caches
        small, large = walk(context, few, volume), walk(context, many, volume)
        for name in ("sentry", "gofer"):
            context.note(f"{name}: {few} files {small[name][0]} KiB, {small[name][1]} descriptors; "
                         f"{many} files {large[name][0]} KiB, {large[name][1]} descriptors")
        for name in ("sentry", "gofer"):
            growth = large[name][0] - small[name][0]
            check(growth <= MOST_GROWTH_KB, f"the {name}'s own memory grew by {growth} KiB")
            check(large[name][1] <= DESCRIPTOR_LIMIT // 2, f"the {name} holds {large[name][1]} descriptors")
    return run


CASES = {"walk_root": flat(False), "walk_volume": flat(True)}
