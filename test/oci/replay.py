"""Plays recordings against a runtime: the caller's part, in a house. Started there by run.

Prints a line `ok NAME` or `FAIL NAME: words` for each scenario. It is the subreaper that shims and conmon are, has
their descriptors open, and looks at what they look at: exit codes, pid files, whose child a process is and with which
code it ends, what comes by --log and the standard streams, and what is left at the end.
"""
import argparse
import ctypes
import json
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import answers  # noqa: E402
import callers  # noqa: E402
import configs  # noqa: E402
import stage  # noqa: E402

LOW_DESCRIPTORS = 24  # kept busy here, so that those a call inherits can have their recorded numbers


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--busybox", required=True, help="a root file system")
    parser.add_argument("--cgroup", required=True)
    parser.add_argument("--bless", action="store_true", help="write down what processes said and how they ended")
    parser.add_argument("names", nargs="*", help="ENGINE.SCENARIO")
    return parser.parse_args()


class Player:
    """One scenario's run."""

    def __init__(self, options, name, scenario):
        self.calls = scenario["calls"]
        self.runtime = options.runtime
        self.bless = options.bless
        self.stage = stage.Stage(options, name)
        self.findings = []
        self.processes = {}  # recorded pid -> callers.Process
        self.background = []

    def play(self):
        try:
            for index, call in enumerate(self.calls):
                self._call(index, call)
                if self.findings:
                    break
            for running, call in self.background:
                self._judge(running, call)
            for process in self.processes.values():
                self._end_of(process)
        finally:
            for process in self.processes.values():
                process.close()
            left = self.stage.close(self.runtime if self.findings else None)
        return self.findings + ([] if self.findings else left)

    def _call(self, index, call):
        call = {**call, **self.stage.substituted({key: value for key, value in call.items() if key != "at"}, self.processes)}
        original = self.calls[index]
        if original.get("init_gone"):
            self._wait_for_end(original)
        self.stage.prepare(call)
        running = callers.Call(self.runtime, self.stage, call, original)
        later = self.calls[index + 1]["at"][0] if index + 1 < len(self.calls) else None
        if later is not None and original["at"][1] > later and running.command != "exec":
            self.background.append((running, call))
            time.sleep(0.3)
        else:
            self._judge(running, call)

    def _judge(self, running, call):
        running.wait()
        self.findings += answers.judge(running, call, self.processes)
        process = running.process()
        if process:
            self.processes[process.recorded_pid] = process
            if process.shell and not process.init:
                process.wait(30)  # its user leaves it before going on

    def _wait_for_end(self, original):
        """Until the processes of the call's container have ended, as they had when it was recorded."""
        container = original["argv"][-2 if "kill" in original["argv"] else -1]
        for process in self.processes.values():
            if process.recorded_container != container or not process.init:
                continue
            process.feed()
            if not process.wait(30):
                self.findings.append(f"{container}: its process does not end")

    def _end_of(self, process):
        process.feed()
        if not process.wait(10):
            self.findings.append(f"process {process.recorded_pid} is still there at the end")
            process.kill()
            return
        if self.bless:
            process.call["exited"] = process.code
            process.call["said"] = process.said()
            return
        wanted = process.call.get("exited")
        if wanted is not None and process.code != wanted:
            self.findings.append(f"{process.recorded_pid} ended with {process.code}, not {wanted}")
        said, wanted = process.said(), process.call.get("said")
        if wanted is not None and said != wanted:
            self.findings.append(f"{process.recorded_pid} said {said!r}, not {wanted!r}")


def reap():
    """Whatever has been left to us and has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main():
    options = parse_args()
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    while os.open("/dev/null", os.O_RDWR) < LOW_DESCRIPTORS:
        pass
    files = {}
    for name in options.names:
        engine, _, word = name.partition(".")
        path = os.path.join(HERE, "recordings", engine + ".json")
        scenarios = files.setdefault(path, configs.read(path))
        scenario = next(item for item in scenarios if item["name"] == word)
        start = time.monotonic()
        try:
            findings = Player(options, name, scenario).play()
        except Exception:  # pylint: disable=broad-except
            findings = [traceback.format_exc()]
        reap()
        words = ": " + "; ".join(findings).strip().replace("\n", "\n    ") if findings else ""
        print(f"{'FAIL' if findings else 'ok'} {name} ({time.monotonic() - start:.1f} s){words}", flush=True)
    if options.bless:
        for path, scenarios in files.items():
            configs.write(path, scenarios)


if __name__ == "__main__":
    main()
