"""The three kinds of cases that a table can hold, and functions for the rest."""
import dataclasses

from stand import Failure, check, equal

ALL = []


@dataclasses.dataclass
class Case:
    name: str
    function: object  # of a Stand
    tier: str = "ci"
    seconds: int = 180


def case(tier="ci", seconds=180):
    def register(function):
        ALL.append(Case(function.__name__, function, tier, seconds))
        return function
    return register


def same(name, changes, script, files=(), code=None):
    """The same bundle under both: output and code are equal. `code`: what it must be, so that two failures are no success."""
    def function(stand):
        theirs = stand.run(stand.oracle, changes, script, files)
        if theirs.code != (0 if code is None else code):
            raise Failure(f"the oracle itself: code {theirs.code}: {theirs.out}{theirs.err}")
        ours = stand.run(stand.ours, changes, script, files)
        if ours.said() != theirs.said():
            raise Failure(differences(ours, theirs))
    ALL.append(Case(name, function))


def expect(name, changes, script, out, files=(), code=0, flags=()):
    """For what the oracle can't do here."""
    def function(stand):
        ours = stand.run(stand.ours, changes, script, files, flags)
        check(ours.code == code, lambda: f"code {ours.code}, not {code}: {ours.out}{ours.err}")
        equal(ours.out, out, "output")
    ALL.append(Case(name, function))


def refused(name, changes, *words, files=()):
    """create fails with 1, nothing is left, and the message has all the words."""
    def function(stand):
        check_refused(stand, changes, words, files)
    ALL.append(Case(name, function))


def check_refused(stand, changes, words, files=()):
    covered = set(stand.covered)
    ident, _, outcome = stand.create(stand.ours, changes, files=files)
    stand.covered = covered
    check(outcome.code == 1, lambda: f"code {outcome.code}, not 1: {outcome.err}")
    for word in words:
        check(word in outcome.err, lambda: f"no {word!r} in: {outcome.err}")
    left = stand.call(stand.ours, "state", ident)
    check(left.code == 1 and "does not exist" in left.err, lambda: f"the container is still there: {left.out}{left.err}")
    stand.drop(ident)


def differences(ours, theirs):
    words = [] if ours.code == theirs.code else [f"code {ours.code}, not {theirs.code}"]
    mine, their = ours.out.splitlines(), theirs.out.splitlines()
    for number in range(max(len(mine), len(their))):
        got = mine[number] if number < len(mine) else None
        wanted = their[number] if number < len(their) else None
        if got != wanted:
            words.append(f"line {number + 1}: {got!r}, not {wanted!r}")
    return "; ".join(words[:6]) + (f" [{ours.err.strip()}]" if ours.err else "")
