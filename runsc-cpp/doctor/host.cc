#include "runsc-cpp/doctor/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "runsc-cpp/cgroup/cgroup.h"

namespace runsc {
namespace {

std::optional<int64_t> ReadNumber(const std::string& path) {
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[64];
  const ssize_t n = fd.valid() ? read(fd.get(), text, sizeof text) : -1;
  int64_t value;
  if (n <= 0 || !absl::SimpleAtoi(absl::string_view(text, static_cast<size_t>(n)), &value)) return std::nullopt;
  return value;
}

// A limit below `least` hurts.
struct Limit {
  const char* name;  // as sysctl(8) has it
  int64_t least;     // what is enough
  int64_t wanted;    // for the fix
  Health health;
  const char* why;
};
constexpr Limit kLimits[] = {
    {"user.max_user_namespaces", 16, 15000, Health::kBad, "each sandbox has a user namespace"},
    {"vm.max_map_count", 65530, 262144, Health::kBad,
     "guests with many mappings (databases that fork, the JVM) get ENOMEM"},
    {"kernel.pid_max", 32768, 4194304, Health::kNote, "each thread of a guest is one of the host's"},
    {"kernel.threads-max", 16384, 131072, Health::kNote, "each thread of a guest is one of the host's"},
    {"fs.inotify.max_user_watches", 8192, 524288, Health::kNote, "gofers watch the folders that guests watch"},
    {"fs.inotify.max_user_instances", 128, 1024, Health::kNote, "a gofer whose guest watches files has one"},
    {"fs.file-max", 65536, 1048576, Health::kNote, "open files of guests are open files of the host"}};

std::string PathOf(const std::string& proc_sys, absl::string_view name) {
  std::string path = absl::StrCat(proc_sys, "/", name);
  for (size_t i = proc_sys.size(); i < path.size(); ++i) {
    if (path[i] == '.') path[i] = '/';
  }
  return path;
}

std::string SetSysctl(absl::string_view name, int64_t value) {
  return absl::StrCat("sysctl -w ", name, "=", value, "  (to keep it: echo '", name, " = ", value,
                      "' >/etc/sysctl.d/60-runsc-cpp.conf)");
}

}  // namespace

Findings LookAtLimits(const std::string& proc_sys) {
  Findings found;
  for (const Limit& limit : kLimits) {
    const std::optional<int64_t> value = ReadNumber(PathOf(proc_sys, limit.name));
    if (!value || *value >= limit.least) continue;
    found.push_back(
        {limit.health, absl::StrCat(limit.name, " is ", *value, ": ", limit.why), SetSysctl(limit.name, limit.wanted)});
  }
  const auto is = [&](absl::string_view name, int64_t bad) { return ReadNumber(PathOf(proc_sys, name)) == bad; };
  if (is("vm.overcommit_memory", 2)) {
    found.push_back({Health::kNote,
                     "vm.overcommit_memory is 2: large mappings of guests may fail although memory is free",
                     SetSysctl("vm.overcommit_memory", 0)});
  }
  if (is("kernel.unprivileged_userns_clone", 0) || is("kernel.apparmor_restrict_unprivileged_userns", 1)) {
    found.push_back({Health::kNote, "users other than root may make no user namespace: they can't run sandboxes",
                     is("kernel.unprivileged_userns_clone", 0)
                         ? SetSysctl("kernel.unprivileged_userns_clone", 1)
                         : SetSysctl("kernel.apparmor_restrict_unprivileged_userns", 0)});
  }
  if (is("kernel.yama.ptrace_scope", 3)) {
    found.push_back({Health::kNote, "kernel.yama.ptrace_scope is 3: --platform=ptrace can't work",
                     "restart the host with kernel.yama.ptrace_scope below 3"});
  }
  if (found.empty()) found.push_back({Health::kGood, "kernel limits are high enough"});
  return found;
}

Findings LookAtCgroups() {
  const absl::StatusOr<cgroup::Host> host = cgroup::Host::Detect(cgroup::Rootless::kNo);
  if (!host.ok()) return {{Health::kBad, absl::StrCat("cgroups: ", host.status().message()), "mount /sys/fs/cgroup"}};
  const bool systemd = access("/run/systemd/system", F_OK) == 0;
  const char* const driver = systemd ? "systemd (--systemd-cgroup, SystemdCgroup = true) or cgroupfs" : "cgroupfs";
  const auto& mounts = host->layout.mounts;
  Findings found;
  switch (host->layout.mode) {
    case cgroup::Mode::kUnified:
      found.push_back({Health::kGood, absl::StrCat("cgroup v2; drivers: ", driver)});
      break;
    case cgroup::Mode::kHybrid:
    case cgroup::Mode::kLegacy:
      found.push_back(
          {Health::kGood, absl::StrCat("cgroup v1", host->layout.mode == cgroup::Mode::kHybrid ? " (hybrid)" : "",
                                       "; drivers: ", driver)});
      for (const char* controller : {"memory", "cpu", "pids"}) {
        if (mounts.find(controller) != mounts.end()) continue;
        found.push_back({Health::kBad, absl::StrCat("the ", controller, " controller of cgroup v1 is not mounted"),
                         absl::StrCat("mount -t cgroup -o ", controller, " cgroup /sys/fs/cgroup/", controller)});
      }
      break;
    default:
      found.push_back({Health::kBad, "no cgroup hierarchy is mounted: limits can't be set",
                       "mount -t cgroup2 none /sys/fs/cgroup"});
  }
  return found;
}

Findings LookAtKvm(const std::string& device) {
  const base::UniqueFd fd(open(device.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) {
    return {{Health::kNote, absl::StrCat(device, " is not there: --platform=kvm can't work (others do)"),
             "modprobe kvm_intel || modprobe kvm_amd, where the processor can"}};
  }
  if (!fd.valid()) {
    return {
        {Health::kNote, absl::StrCat(device, " can't be opened: ", strerror(errno)), absl::StrCat("ls -l ", device)}};
  }
  const int version = ioctl(fd.get(), KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION) {
    return {{Health::kNote, absl::StrCat(device, " is no KVM that is known"), absl::StrCat("ls -l ", device)}};
  }
  return {{Health::kGood, absl::StrCat(device, " is there")}};
}

}  // namespace runsc
