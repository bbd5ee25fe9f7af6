#include "runsc-cpp/oci/spec_template.h"

#include <algorithm>

#include "runsc-cpp/oci/state.h"

namespace runsc::oci {
namespace {

Process TemplateProcess() {
  Process p;
  p.terminal = true;
  p.args = {"sh"};
  p.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
  p.cwd = "/";
  LinuxCapabilities& caps = p.capabilities.emplace();
  caps.bounding = caps.effective = caps.permitted = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  p.rlimits = {{"RLIMIT_NOFILE", 1024, 1024}};
  p.no_new_privileges = true;
  return p;
}

Mount Make(const char* destination, const char* type, const char* source, std::vector<std::string> options = {}) {
  Mount mount;
  mount.destination = destination;
  mount.type = type;
  mount.source = source;
  mount.options = std::move(options);
  return mount;
}

std::vector<Mount> TemplateMounts() {
  return {
      Make("/proc", "proc", "proc"),
      Make("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      Make("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      Make("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      Make("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      Make("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
      Make("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}),
  };
}

}  // namespace

Spec TemplateSpec() {
  Spec spec;
  spec.version = kSpecVersion;
  spec.process = TemplateProcess();
  spec.root = Root{"rootfs", true};
  spec.hostname = "runc";
  spec.mounts = TemplateMounts();
  Linux& l = spec.linux_config.emplace();
  LinuxDeviceCgroup all;
  all.access = "rwm";
  l.resources.emplace().devices = {all};
  l.namespaces = {{"pid", ""}, {"network", ""}, {"ipc", ""}, {"uts", ""}, {"mount", ""}};
  l.masked_paths = {"/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
                    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                    "/sys/firmware",       "/proc/scsi"};
  l.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  return spec;
}

// The host's network, a user namespace with one id, and no cgroup: what such a
// caller may have.
Spec RootlessTemplateSpec(uint32_t uid, uint32_t gid) {
  Spec spec = TemplateSpec();
  Linux& l = *spec.linux_config;
  std::erase_if(l.namespaces, [](const LinuxNamespace& n) { return n.type == "network"; });
  l.namespaces.push_back({"user", ""});
  l.uid_mappings = {{0, uid, 1}};
  l.gid_mappings = {{0, gid, 1}};
  l.resources.reset();
  for (Mount& mount : spec.mounts) {
    std::erase_if(mount.options, [](const std::string& o) { return o.starts_with("gid=") || o.starts_with("uid="); });
    if (mount.destination == "/sys") {
      mount = Make("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"});
    }
  }
  return spec;
}

}  // namespace runsc::oci
