#include <algorithm>

#include "runsc-cpp/oci/lowering.h"

namespace runsc::oci {
namespace {

constexpr std::string_view kIpc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                                     "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};

char Swap(char c) { return c == '.' ? '/' : c == '/' ? '.' : c; }

std::string Swapped(std::string_view name) {
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(), Swap);
  return out;
}

// As sysctl(8) has it: the first separator decides what separates, and the
// other one is a part of a name ("net/ipv4/conf/eth0.100/rp_filter").
std::string Dotted(std::string_view name) {
  const size_t separator = name.find_first_of("./");
  const bool dotted = separator == std::string_view::npos || name[separator] == '.';
  return dotted ? std::string(name) : Swapped(name);
}

bool IsSane(std::string_view path) {
  while (true) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == path.size()) return true;
    path.remove_prefix(slash + 1);
  }
}

// Only what belongs to a namespace of the container, as runc's validator.
absl::Status Check(const LowerContext& context, const std::string& name, const std::string& path,
                   const ContainerPlan& plan) {
  if (name.starts_with("fs.mqueue.") || std::find(std::begin(kIpc), std::end(kIpc), name) != std::end(kIpc)) {
    if (plan.Namespace(NamespaceKind::kIpc).wanted) return absl::OkStatus();
    return context.Refuse(path, ": is not allowed in the hosts ipc namespace; linux.namespaces must have \"ipc\"");
  }
  if (name.starts_with("net.")) {
    if (plan.Namespace(NamespaceKind::kNetwork).wanted) return absl::OkStatus();
    return context.Refuse(path, ": not allowed in host network namespace; linux.namespaces must have \"network\"");
  }
  const bool uts = plan.Namespace(NamespaceKind::kUts).wanted;
  if (uts && name == "kernel.domainname") return absl::OkStatus();
  if (uts && name == "kernel.hostname")
    return context.Refuse(path, ": is not allowed as it conflicts with the OCI \"hostname\" field");
  return context.Refuse(
      path, ": is not in a separate kernel namespace; allowed are net.*, fs.mqueue.*, kernel.domainname, ", Join(kIpc));
}

}  // namespace

absl::Status LowerSysctls(const LowerContext& context, const Linux& from, ContainerPlan& to) {
  for (const auto& [name, value] : from.sysctl) {
    const std::string path = MemberPath("linux.sysctl", name);
    const std::string dotted = Dotted(name), below = Swapped(dotted);
    if (!IsSane(below)) return context.Refuse(path, ": is not the name of a sysctl");
    absl::Status status = Check(context, dotted, path, to);
    if (!status.ok()) return status;
    (below.starts_with("net/") ? to.network_sysctls : to.sysctls).emplace_back(below, value);
  }
  return absl::OkStatus();
}

}  // namespace runsc::oci
