"""The rules that our BUILD files use. tools/README.md shows a whole one."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

# All of our code: errors are values (base/result.h), types are closed.
SENTRY_COPTS = [
    "-fno-exceptions",
    "-fno-rtti",
]

# Code that runs without libc, without thread-local storage and on a stack
# that is not its own: stub text, signal handlers, ring 0.
FREESTANDING_COPTS = SENTRY_COPTS + [
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-threadsafe-statics",
    "-fno-builtin",
    "-fcf-protection=none",
    "-mno-red-zone",
    "-U_FORTIFY_SOURCE",
    "-fno-sanitize=all",
    "-mgeneral-regs-only",
    "-O2",
]

# gcc would turn loops into calls of memset and memcpy; clang is kept from it
# by -fno-builtin and does not know this flag.
_NO_LIBC_CALLS = select({
    "//tools:clang": [],
    "//conditions:default": ["-fno-tree-loop-distribute-patterns"],
})

# The sanitizers' run-time libraries need a dynamic libc.
_STATIC = select({
    "//tools:sanitizer": [],
    "//conditions:default": ["-static"],
})

# clang would link the sanitizer's run-time library even with -nostdlib.
_NO_RUNTIME = select({
    "//tools:clang": ["-fno-sanitize-link-runtime"],
    "//conditions:default": [],
})

def sentry_cc_library(name, copts = [], **kwargs):
    """A library of the sentry, the gofer or the command line tool."""
    cc_library(
        name = name,
        copts = SENTRY_COPTS + copts,
        linkstatic = True,
        **kwargs
    )

def sentry_cc_test(name, deps = [], copts = [], size = "small", **kwargs):
    """A googletest (with its main) that stands beside the code it tests.

    It may ptrace, unshare and use /dev/kvm, /dev/shm and /tmp; a test that
    needs /var/tmp or /sys/fs/cgroup wants tags = ["local"].
    """
    cc_test(
        name = name,
        size = size,
        copts = SENTRY_COPTS + copts,
        linkstatic = True,
        deps = deps + ["@com_google_googletest//:gtest_main"],
        **kwargs
    )

def sentry_cc_binary(name, copts = [], linkopts = [], **kwargs):
    """A program that is one file: linked statically, libc and all."""
    cc_binary(
        name = name,
        copts = SENTRY_COPTS + copts,
        linkopts = _STATIC + linkopts,
        linkstatic = True,
        **kwargs
    )

def sentry_cc_benchmark(name, deps = [], copts = [], **kwargs):
    """A google-benchmark program (with its main)."""
    cc_binary(
        name = name,
        copts = SENTRY_COPTS + copts,
        linkstatic = True,
        testonly = True,
        deps = deps + ["@com_google_benchmark//:benchmark_main"],
        **kwargs
    )

def freestanding_cc_library(name, copts = [], **kwargs):
    """C++ and assembler (.S) without a libc below it: see FREESTANDING_COPTS."""
    cc_library(
        name = name,
        copts = FREESTANDING_COPTS + _NO_LIBC_CALLS + copts,
        linkstatic = True,
        **kwargs
    )

def freestanding_cc_binary(name, linker_script = None, copts = [], linkopts = [], deps = [], **kwargs):
    """A freestanding static ELF, such as the stub template."""
    script = ["-Wl,-T,$(location %s)" % linker_script] if linker_script else []
    cc_binary(
        name = name,
        copts = FREESTANDING_COPTS + _NO_LIBC_CALLS + copts,
        linkopts = [
            "-nostdlib",
            "-static",
            "-Wl,--build-id=none",
            "-Wl,-z,noexecstack",
            "-fuse-ld=bfd",
        ] + script + _NO_RUNTIME + linkopts,
        linkstatic = True,
        deps = deps + ([linker_script] if linker_script else []),
        **kwargs
    )

def embed_file(name, src, symbol, visibility = None):
    """A library that holds the bytes of src in read-only data.

    Declare them as: extern "C" const unsigned char <symbol>_start[],
    <symbol>_end[];
    """
    native.genrule(
        name = name + "_asm",
        srcs = [src],
        outs = [name + "_embed.S"],
        cmd = """
{
  echo '.section .rodata.%s,"a",@progbits'
  echo '.balign 4096'
  echo '.globl %s_start'
  echo '%s_start:'
  od -An -v -tu1 -w16 $(location %s) | sed 's/^ *//; s/  */,/g; s/^/.byte /'
  echo '.globl %s_end'
  echo '%s_end:'
  echo '.byte 0'
  echo '.section .note.GNU-stack,"",@progbits'
} > $@""" % (symbol, symbol, symbol, src, symbol, symbol),
    )
    cc_library(
        name = name,
        srcs = [name + "_embed.S"],
        alwayslink = True,
        linkstatic = True,
        visibility = visibility,
    )
