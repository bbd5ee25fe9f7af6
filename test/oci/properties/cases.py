"""All live cases, in the order of their files."""
# pylint: disable=unused-import
import process_cases  # noqa: F401
import mount_cases  # noqa: F401
import linux_cases  # noqa: F401
import namespace_cases  # noqa: F401
import hook_cases  # noqa: F401
import cgroup_cases  # noqa: F401
import operator_cases  # noqa: F401
import refusal_cases  # noqa: F401
import mutant_cases  # noqa: F401
from kinds import ALL


def names(tier, everything=False):
    return ["prop." + case.name for case in ALL if everything or case.tier == "ci" or tier == "full"] + ["prop.coverage"]
