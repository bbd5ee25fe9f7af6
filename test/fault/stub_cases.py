"""Guests that attack the systrap platform from inside: test/fault/stub. Only the hostile process may come to harm."""
import os
import random
import subprocess

import host
from sandbox import Failure, check, wait_until

ATTACKS = ("area", "overwrite", "forge", "escape", "frames", "jumps", "calls", "mappings", "keeper", "threads")
WITNESS_CODE = 42
SECONDS = {"ci": 120, "full": 1200}
SECONDS_TO_SETTLE = 10
GROWTH_KB = 32 << 10
# What the sentry may say of a hostile process. Anything else is a crash, or new.
KNOWN_WORDS = ("is lost with its stub", "no memory for a fault")


class Weight:
    """What the sandbox takes of the host. Threads and descriptors tell what hangs in the sentry."""

    def __init__(self, sandbox, sentry):
        self.anonymous_kb = host.status_kb(sentry, "RssAnon")
        self.resident_kb = host.status_kb(sentry, "VmRSS")
        self.threads = host.status_kb(sentry, "Threads")
        self.files = host.open_files(sentry)
        self.stubs = len(sandbox.parts("stub"))

    def settled(self, before):
        """Some of it comes and goes with the witness's own child."""
        return self.threads <= before.threads + 2 and self.files <= before.files + 4 and self.stubs <= before.stubs + 2

    def __str__(self):
        return f"{self.resident_kb >> 10} MiB, {self.threads} threads, {self.files} files, {self.stubs} stubs"


def attack(context, name):
    check(os.access(context.stub_attacks, os.X_OK), f"no program at {context.stub_attacks}: tools/dev build makes it")
    tier = "full" if context.full else "ci"
    seed = random.randrange(1, 1 << 32) if context.full else 1
    command = [context.stub_attacks, name, tier, str(seed)]
    with context.run(command, flags=["--platform", "systrap"], stdin=subprocess.PIPE, bufsize=0) as sandbox:
        sandbox.wait_for_output(b"ready\n")
        sentry = sandbox.part("sentry")
        before = Weight(sandbox, sentry)
        sandbox.process.stdin.write(b"x")
        sandbox.wait_for_output(b"done\n", SECONDS[tier])
        after = Weight(sandbox, sentry)
        context.note(f"seed {seed}; sentry before: {before}; after: {after}")
        for line in sandbox.output.decode(errors="replace").splitlines():
            if line.startswith("note: "):
                context.note(line[6:])
        wait_until(lambda: Weight(sandbox, sentry).settled(before), SECONDS_TO_SETTLE, "back to threads and stubs as before")
        check(after.anonymous_kb <= before.anonymous_kb + GROWTH_KB,
              f"the sentry grew from {before.anonymous_kb} to {after.anonymous_kb} kB")
        sandbox.process.stdin.write(b"x")
        code = sandbox.wait(20)
        failures = [line for line in sandbox.output.decode(errors="replace").splitlines() if line.startswith("FAIL")]
        if failures:
            raise Failure("; ".join(failures[:6]))
        check(code == WITNESS_CODE, f"exit code {code}, expected the witness's {WITNESS_CODE}: {sandbox.errors()[-400:]}")
        check("MARKER" not in sandbox.errors() and b"MARKER" not in sandbox.output, "a hostile process wrote to the host")
        strange = [line for line in sandbox.error_lines() if not any(words in line for words in KNOWN_WORDS)]
        check(not strange, f"stderr: {strange[:4]}")
        sandbox.check_nothing_left(1.0)


def case_of(name):
    return lambda context: attack(context, name)


CASES = {f"stub_{name}": case_of(name) for name in ATTACKS}
