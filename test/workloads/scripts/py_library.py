#!/usr/bin/python3
"""Much of the standard library at once: compressors, ctypes, decimal, locale, logging, queues of files, the compiler."""
import bz2
import compileall
import contextlib
import ctypes
import decimal
import fractions
import glob
import gzip
import io
import logging
import logging.handlers
import lzma
import os
import platform
import pwd
import random
import runpy
import secrets
import shelve
import sys
import sysconfig
import time
import traceback
import unittest
import uuid
import zlib

data = bytes(random.Random(1).randrange(64) for _ in range(200_000))
for module in (bz2, gzip, lzma, zlib):
    print(module.__name__, module.decompress(module.compress(data)) == data)
libc = ctypes.CDLL("libc.so.6", use_errno=True)
print(libc.abs(-5), libc.getpid() == os.getpid(), libc.open(b"/no/such", 0), ctypes.get_errno())
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))(
    lambda a, b: a[0] - b[0])
array = (ctypes.c_int * 5)(5, 1, 4, 2, 3)
libc.qsort(array, 5, 4, callback)
print(list(array))
decimal.getcontext().prec = 60
print(decimal.Decimal(2).sqrt(), sum(fractions.Fraction(1, n) for n in range(1, 20)))
os.mkdir("package")
for n in range(20):
    with open(f"package/m{n}.py", "w") as file:
        file.write(f"VALUE = {n}\ndef f(x):\n    return x + VALUE\n")
print(compileall.compile_dir("package", quiet=1), len(glob.glob("package/__pycache__/*.pyc")))
sys.path.insert(0, ".")
print(sum(__import__(f"package.m{n}", fromlist=["f"]).f(1) for n in range(20)), runpy.run_path("package/m3.py")["VALUE"])
with shelve.open("shelf") as shelf:
    for n in range(200):
        shelf[str(n)] = list(range(n))
with shelve.open("shelf") as shelf:
    print(len(shelf), len(shelf["150"]))
handler = logging.handlers.RotatingFileHandler("log", maxBytes=2000, backupCount=3)
logger = logging.getLogger("workload")
logger.addHandler(handler)
for n in range(200):
    logger.warning("message %d", n)
handler.close()
print(sorted(glob.glob("log*")), len(open("log.1").read()) <= 2000)
print(len(secrets.token_bytes(20)), len(str(uuid.uuid4())), random.Random(7).random(), len(os.getrandom(8)))
print(pwd.getpwuid(0).pw_name, platform.machine(), platform.system(), sysconfig.get_platform(), os.path.realpath("."))
try:
    {}["missing"]
except KeyError:
    print(traceback.format_exc().splitlines()[-1])
stream = io.StringIO()
with contextlib.redirect_stdout(stream):
    print("captured")
print(stream.getvalue(), end="")


class Case(unittest.TestCase):
    def test_sleep(self):
        start = time.monotonic_ns(), time.time_ns(), time.process_time_ns(), time.perf_counter()
        time.sleep(0.01)
        self.assertGreaterEqual(time.monotonic_ns() - start[0], 10_000_000)
        self.assertGreater(time.time_ns(), start[1])

    def test_times(self):
        self.assertGreater(time.clock_gettime_ns(time.CLOCK_BOOTTIME), 0)
        self.assertLessEqual(time.clock_getres(time.CLOCK_MONOTONIC), 0.01)
        self.assertEqual(time.strftime("%Y-%m-%d %Z", time.gmtime(0)), "1970-01-01 GMT")


result = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(Case))
print(result.testsRun, result.failures, result.errors)
big = [bytearray(1 << 20) for _ in range(100)]
print(sum(len(b) for b in big), max(b[-1] for b in big))
del big
sys.setrecursionlimit(5000)


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


print(depth(4000))
os.nice(0)
sys.stdout.flush()
os.execv(sys.executable, [sys.executable, "-I", "-c", "import sys; print('executed', sys.argv); sys.exit(6)", "a", "b"])
