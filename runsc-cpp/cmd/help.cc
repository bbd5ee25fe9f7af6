#include "runsc-cpp/cmd/command.h"

namespace runsc {
namespace {

constexpr std::string_view kGeneral = R"(runsc-cpp runs programs in a sandbox with a kernel of its own.

  runsc-cpp do [FLAGS] -- COMMAND [ARG...]   run a command; the host's files are
                                             seen, and never changed
  runsc-cpp debug --unimplemented [PID]      system calls that running sandboxes missed
  runsc-cpp platforms                        ways to run guest code here, measured
  runsc-cpp syscalls [--json]                every system call and how far it is supported
  runsc-cpp [--root DIR] [--log FILE] create|start|run|exec|kill|delete|list|
            state|ps|update|events ...       containers, as runc has them
  runsc-cpp wait ID                          a container's exit code, once it has ended
  runsc-cpp why ID                           why it ended, also of one that was deleted
  runsc-cpp doctor                           what is wrong with this host, and the fix
  runsc-cpp spec [--bundle DIR] [--rootless] write a config.json to start from
  runsc-cpp install [FLAGS]                  make Docker and containerd know it
  runsc-cpp features                         what of the OCI specification is there, as JSON
  runsc-cpp help [COMMAND]                   this, or a command's flags
  runsc-cpp --version

Try:  runsc-cpp do -- python3 -c 'print("hello from the sandbox")'
)";

constexpr std::string_view kDo = R"(runsc-cpp do [FLAGS] -- COMMAND [ARG...]

Runs COMMAND in a new sandbox, found by PATH inside it. Files of the host are
read through a separate process and can't be changed: what the command writes
stays in memory and is gone when it ends. Working directory, environment, user
and standard streams are the caller's. Exits with the command's status, 128 + N
if signal N ended it, 126 or 127 if it could not be started, 125 if the sandbox
could not.

  --root DIR            DIR instead of / as the root directory
  --cwd DIR             working directory inside (default: the current one)
  --env NAME=VALUE      one more environment variable; may be repeated
  --volume H:G[:ro]     host directory or file H at G inside, written through
                        to the host unless ro; may be repeated
  --memory BYTES        memory for the guest, with K, M or G (default: the host's)
  --network NAME        none (default): a loopback of its own; passthrough: sockets
                        of the caller's network, by way of a separate process
  --net-raw             let root inside have raw sockets (the caller must be root)
  --platform NAME       how guest code runs; auto (default) takes the fastest that
                        works; `runsc-cpp platforms` lists and measures them
  --strace              print each system call to stderr
  --log-level LEVEL     debug, info, warning (default) or error
)";

constexpr std::string_view kInstall = R"(runsc-cpp install [FLAGS] [-- ARG...]

Adds this program to Docker's and containerd's configuration as a runtime, for
`docker run --runtime=runsc-cpp` and for a RuntimeClass. All else in the files
stays; the old file is kept as FILE.runsc-cpp.bak. ARGs are what Docker passes
to it each time.

  --docker[=FILE]       Docker's file (default: /etc/docker/daemon.json)
  --containerd[=FILE]   containerd's file (default: /etc/containerd/config.toml);
                        without either flag, the engines that have a directory there
  --name=NAME           the runtime's name (default: runsc-cpp)
  --binary=PATH         the program (default: this one)
  --shim=DIR            containerd: where the link containerd-shim-runsc-cpp-v1 goes
                        (default: beside the program, or /usr/local/bin)
  --no-shim             containerd: with runc's shim, not with ours
  --systemd-cgroup      containerd: cgroups are made by systemd
  --uninstall           take the runtime out
  --dry-run             show the new file, and write nothing
)";

constexpr std::string_view kDoctor = R"(runsc-cpp doctor [FLAGS]

Looks at the kernel's limits, cgroups, /dev/kvm and the platforms; runs a
container by itself and by each engine that is there and running; tells what is
wrong and the exact fix. Changes nothing. Exits with 1 if something must be fixed.

  --name=NAME                the runtime's name in engines (default: runsc-cpp)
  --binary=PATH              the program that engines call (default: this one)
  --docker-config=FILE       default: /etc/docker/daemon.json
  --docker-socket=SOCKET     default: /var/run/docker.sock
  --containerd-config=FILE   default: /etc/containerd/config.toml
  --containerd-socket=SOCKET default: /run/containerd/containerd.sock
)";

}  // namespace

int HelpCommand(int argc, char** argv) {
  const std::string_view about = argc > 0 ? argv[0] : "";
  Print(about == "do" ? kDo : about == "install" ? kInstall : about == "doctor" ? kDoctor : kGeneral);
  return 0;
}

}  // namespace runsc
