// The netgofer process, from its re-execution to the sandbox's end: what it
// needs is opened, the rest given away, then netgofer/server serves.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "netgofer/server/server.h"
#include "runsc-cpp/boot/boot.h"
#include "runsc-cpp/boot/errno_status.h"
#include "runsc-cpp/boot/rights.h"
#include "runsc-cpp/filter/filter.h"
#include "runsc-cpp/sandbox/launch.h"
#include "runsc-cpp/sandbox/namespaces.h"

namespace runsc {
namespace {

constexpr uid_t kNobody = 65534;

absl::Status WriteOwn(const char* name, const std::string& text) {
  const std::string path = absl::StrCat("/proc/self/", name);
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid() || write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return absl::ErrnoToStatus(errno, absl::StrCat("write ", path));
  }
  return absl::OkStatus();
}

// Root's mount namespace is there already (launch.cc). The network namespace is
// the caller's, or a new one that has nothing.
absl::Status EnterNamespaces(bool root, bool own_network) {
  int flags = CLONE_NEWIPC | CLONE_NEWUTS | (own_network ? CLONE_NEWNET : 0);
  if (!root) flags |= CLONE_NEWUSER | CLONE_NEWNS;
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  if (unshare(flags) != 0) return absl::ErrnoToStatus(errno, "unshare namespaces");
  if (root) return absl::OkStatus();
  if (absl::Status s = WriteOwn("uid_map", absl::StrCat(uid, " ", uid, " 1\n")); !s.ok()) return s;
  if (absl::Status s = WriteOwn("setgroups", "deny"); !s.ok()) return s;
  if (absl::Status s = WriteOwn("gid_map", absl::StrCat(gid, " ", gid, " 1\n")); !s.ok()) return s;
  return MakeRootPrivate();
}

// What is left: binding low ports, which the sentry allows to guests that may,
// and raw sockets if the operator says so. Pings are ICMP datagrams and need none.
absl::Status DropRights(bool root, const NetgoferConfig& config) {
  uint32_t keep = 1u << CAP_NET_BIND_SERVICE;
  if (config.raw_sockets()) keep |= 1u << CAP_NET_RAW;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; ++cap) {
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) return absl::ErrnoToStatus(errno, "drop a bounding capability");
  }
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return absl::ErrnoToStatus(errno, "keep capabilities");
  if (root && (setgroups(0, nullptr) != 0 || setresgid(kNobody, kNobody, kNobody) != 0 ||
               setresuid(kNobody, kNobody, kNobody) != 0)) {
    return absl::ErrnoToStatus(errno, "become nobody");
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return absl::ErrnoToStatus(errno, "read capabilities");
  data[0] = {data[0].permitted & keep, data[0].permitted & keep, 0};
  data[1] = {};
  if (syscall(SYS_capset, &header, data) != 0) return absl::ErrnoToStatus(errno, "drop capabilities");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return absl::ErrnoToStatus(errno, "forbid to be traced");
  if (config.dies_with_parent()) prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user took it away
  return absl::OkStatus();
}

absl::Status Serve(const NetgoferConfig& config) {
  const bool root = geteuid() == 0, own_network = config.network() != NetgoferConfig::CALLERS;
  if (absl::Status s = EnterNamespaces(root, own_network); !s.ok()) return s;
  if (own_network) {
    const base::Result<void> up = netgofer::SetUpLoopback(root ? kNobody : getegid());
    // Root without CAP_NET_ADMIN: a network with nothing at all, rather than none.
    if (!up.ok()) LOG(kWarning, "the loopback stays down: %s", base::ErrnoName(up.error()));
  }
  netgofer::ServerOptions options;
  for (const uint32_t fd : config.socket_fds()) options.channels.emplace_back(static_cast<int>(fd));
  options.files = netgofer::OpenNamespaceFiles();
  options.raw = config.raw_sockets();
  if (absl::Status s = EnterEmptyRoot(); !s.ok()) return s;
  netgofer::Server server(std::move(options));
  if (const base::Result<void> made = server.SetUp(); !made.ok()) return Failed("make sockets", made.error());
  if (absl::Status s = DropRights(root, config); !s.ok()) return s;
  if (!InstallFilter(config.raw_sockets() ? RawNetgoferFilter() : NetgoferFilter())) {
    return absl::ErrnoToStatus(errno, "install the host filter");
  }
  server.Serve();
  return absl::OkStatus();
}

}  // namespace

int NetgoferMain() {
  SetProcessName("runsc-netgofer");
  mallopt(M_ARENA_MAX, 1);
  NetgoferConfig config;
  if (!ReadConfig(kConfigFd, config).ok()) return 1;
  close(kConfigFd);
  base::SetLogConfig({.fd = static_cast<int>(config.log_fd()),
                      .level = static_cast<base::LogLevel>(config.log_level()),
                      .process = "netgofer"});
  const absl::Status served = Serve(config);
  if (!served.ok()) LOG(kError, "netgofer: %s", std::string(served.message()));
  _exit(served.ok() ? 0 : 1);
}

}  // namespace runsc
