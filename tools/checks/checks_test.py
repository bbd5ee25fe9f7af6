#!/usr/bin/env python3
"""The checks find what they should, and nothing else."""

import pathlib
import sys
import tempfile
import unittest

import check_doc_lines
import check_files
import check_host_calls
import check_includes

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "dev.d"))
import run_tests as runner  # noqa: E402


class Includes(unittest.TestCase):
    def test_left_is_allowed(self):
        for source, target in (
                ("sentry/mm/a.cc", "platform/platform.h"),
                ("sentry/kernel/a.cc", "sentry/vfs/dentry.h"),
                ("sentry/kernel/a.cc", "sentry/loader/loader.h"),
                ("sentry/kernel/futex/a.cc", "sentry/kernel/task.h"),
                ("sentry/fs/gofer/a.cc", "fsgofer/protocol/messages.h"),
                ("sentry/fs/tmpfs/a.cc", "sentry/fs/pipe/pipe.h"),
                ("platform/ptrace/a.cc", "platform/stub/stub.h"),
                ("runsc-cpp/boot/a.cc", "platform/ptrace/ptrace.h"),
                ("sentry/mm/a_test.cc", "platform/ptrace/ptrace.h")):
            self.assertTrue(check_includes.allowed(source, target), (source, target))

    def test_right_is_not(self):
        for source, target in (
                ("base/a.cc", "sentry/abi/fs.h"),
                ("sentry/mm/a.cc", "sentry/vfs/dentry.h"),
                ("sentry/mm/a.cc", "platform/ptrace/ptrace.h"),
                ("sentry/loader/a.cc", "sentry/kernel/task.h"),
                ("sentry/kernel/a.cc", "sentry/fs/tmpfs/tmpfs.h"),
                ("sentry/kernel/a.cc", "sentry/net/unix/socket.h"),
                ("sentry/fs/tmpfs/a.cc", "fsgofer/protocol/messages.h"),
                ("platform/ptrace/a.cc", "sentry/mm/memory_manager.h"),
                ("platform/ptrace/a.cc", "platform/kvm/kvm.h"),
                ("fsgofer/server/a.cc", "sentry/usermem/user_addr.h"),
                ("runsc-cpp/cmd/a.cc", "platform/ptrace/ptrace.h"),
                ("runsc-cpp/cmd/a.cc", "sentry/fs/tmpfs/tmpfs.h"),
                ("sentry/mm/a_test.cc", "test/util/x.h")):
            self.assertFalse(check_includes.allowed(source, target), (source, target))


class HostCalls(unittest.TestCase):
    def test_calls_are_found(self):
        text = "int a() {\n  int f = ::open(p, 0);\n  return syscall(SYS_x);\n}\n"
        self.assertEqual(list(check_host_calls.calls_in(text)), [(2, "open"), (3, "syscall")])

    def test_members_comments_and_strings_are_not(self):
        text = 'f.open(x); p->kill(y); std::fopen2(z); // open(x)\nputs("socket(1)"); /* fork()\n */ reopen(1); Open(2);'
        text += "\nPath::Path(Mount m) : mount(m) {}"
        self.assertEqual(list(check_host_calls.calls_in(text)), [])


class DocLines(unittest.TestCase):
    def test_nearest(self):
        lines = ["a();", "b();", "a();"]
        self.assertEqual(check_doc_lines.place_of("a()", lines, 4), 3)
        self.assertEqual(check_doc_lines.place_of("a()", lines, 1), 1)
        self.assertEqual(check_doc_lines.place_of("c()", lines, 1), 0)

    def test_reference(self):
        found = check_doc_lines.REFERENCE.findall("see `sentry/mm/a.cc:12 A::B(int)` and `sentry/mm/a.cc`")
        self.assertEqual(found, [("sentry/mm/a.cc", "12", "A::B(int)")])


class Files(unittest.TestCase):
    def test_length(self):
        long = "#define X\n" * 501
        self.assertTrue(list(check_files.check_text("a.cc", long)))
        self.assertFalse(list(check_files.check_text("a.cc", "// Length: one table\n" + long)))

    def test_notes(self):
        self.assertTrue(list(check_files.check_text("a.cc", "// TO" "DO: later\n")))
        self.assertFalse(list(check_files.check_text("a.cc", 'mkstemp("a' + "X" * 6 + '");\n')))


class Runner(unittest.TestCase):
    def test_result_line(self):
        self.assertEqual(runner.RESULT_LINE.match("25 passed, 0 failed").groups(), ("25", "0", None))
        self.assertEqual(runner.RESULT_LINE.match("x: 2 passed, 1 failed, 3 skipped").groups(), ("2", "1", "3"))
        self.assertIsNone(runner.RESULT_LINE.match("all 25 passed, 0 failed"))

    def test_cases(self):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as xml:
            xml.write('<testsuites><testsuite><testcase status="run"/><testcase status="run"><failure/></testcase>'
                      '<testcase status="notrun"/><testcase status="run" result="skipped"/></testsuite></testsuites>')
            xml.flush()
            self.assertEqual(runner.cases_of(xml.name), (1, 1, 2))
        self.assertIsNone(runner.cases_of("/nowhere"))


if __name__ == "__main__":
    unittest.main()
