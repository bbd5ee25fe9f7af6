"""docker build: classic by the default runtime, BuildKit by the `runc` of dockerd's PATH."""
import os

import suite
from suite import check, equal

CASES = suite.Cases()


def _build(docker, dockerfile, buildkit, code=0, more=()):
    docker.client.build(dockerfile, buildkit, more=more)
    last = docker.client.last
    if (last.returncode == 0) != (code == 0):
        raise suite.Failure(f"build: code {last.returncode}: {last.stdout[-800:]}{last.stderr[-800:]}")
    return last.stdout + last.stderr


def _calls(docker):
    if not os.path.exists(docker.runc_log):
        return 0
    with open(docker.runc_log, encoding="utf-8") as file:
        return sum(" run --bundle " in line for line in file)


def _both(name, dockerfile, script, wanted, more=()):
    for buildkit in (False, True):
        def case(docker, buildkit=buildkit):
            before = _calls(docker)
            _build(docker, dockerfile, buildkit, more=("--no-cache", *more))
            check(not buildkit or _calls(docker) > before, "BuildKit has not called our runc")
            equal(docker.once("built:1", "sh", "-c", script), wanted, "in the image")
        case.__name__ = f"{'buildkit' if buildkit else 'classic'}_{name}"
        CASES.case()(case)


_both("build", "FROM img:1\nRUN echo one >/one && mkdir /d && chown 1000:1000 /d\nRUN echo two >>/one; ln -s one /link; rm /etc/not-a-program\n"
      "USER user\nWORKDIR /d\nRUN id -u >owner\nENV A=b\n",
      "cat /link /d/owner; stat -c %u /d/owner; ls /etc | grep -c program; echo $A", "one\ntwo\n1000\n1000\n0\nb\n")
_both("stages", "FROM img:1 AS first\nARG WORD=none\nRUN echo $WORD >/made\nFROM img:1\nCOPY --from=first /made /taken\nRUN test -s /taken\n",
      "cat /taken", "given\n", more=("--build-arg", "WORD=given"))


def _failure(buildkit):
    def case(docker):
        check("3" in _build(docker, "FROM img:1\nRUN echo said; exit 3\n", buildkit, code=1), "no code in what it says")
        out = _build(docker, 'FROM img:1\nRUN ["/no/such/program"]\n', buildkit, code=1)
        check("no such file or directory" in out or "not found" in out, out)
    case.__name__ = ("buildkit" if buildkit else "classic") + "_failure"
    CASES.case()(case)


_failure(False)
_failure(True)


@CASES.case()
def buildkit_cache_mount(docker):
    for turn in ("1", "2"):  # --no-cache would throw it away
        _build(docker, f"FROM img:1\nRUN --mount=type=cache,target=/cache echo x >>/cache/x; cp /cache/x /x; : {turn}\n", True)
    equal(docker.once("built:1", "cat", "/x"), "x\nx\n", "kept from build to build")


@CASES.case()
def buildkit_no_network(docker):
    out = _build(docker, "FROM img:1\nRUN ip -o link | wc -l >/links\n", True, more=("--no-cache", "--network", "none"))
    check(out, "no output")
    equal(docker.once("built:1", "cat", "/links"), "1\n", "interfaces")


@CASES.case()
def buildkit_cancelled(docker):
    folder = docker.client.build_folder("FROM img:1\nRUN sleep 98765\n")
    before = _calls(docker)
    process = docker.popen("build", "--no-cache", folder, env={"DOCKER_BUILDKIT": "1"}, stdout=-3, stderr=-3)
    suite.until(lambda: _calls(docker) > before and any("98765" in line for line in docker.house.processes().values())
                or process.poll() is not None, 30, "the step runs")
    for pid in docker.house.children(process.pid):
        os.kill(pid, 2)
    check(process.wait(30) != 0, "a cancelled build succeeded")
