// /sys, /sys/kernel, /sys/fs.
#include "absl/strings/str_cat.h"
#include "sentry/fs/sys/sys_node.h"

namespace sentry {
namespace {

using base::Result;

// "always [madvise] never".
std::string Choice(std::initializer_list<absl::string_view> words, absl::string_view chosen) {
  std::string out;
  for (const absl::string_view word : words) {
    absl::StrAppend(&out, out.empty() ? "" : " ");
    word == chosen ? absl::StrAppend(&out, "[", word, "]") : absl::StrAppend(&out, word);
  }
  return out + "\n";
}

// Dense memory gets 2 MiB pages where the sandbox has them, whatever madvise says; nothing is made dense later.
SysNodes TransparentHugePages(const SysSource&) {
  SysNodes nodes;
  nodes.push_back(Attribute("defrag", [](const SysSource&) -> Result<std::string> {
    return Choice({"always", "defer", "defer+madvise", "madvise", "never"}, "never");
  }));
  nodes.push_back(Attribute("enabled", [](const SysSource& source) -> Result<std::string> {
    return Choice({"always", "madvise", "never"}, source.view->HugePages() ? "always" : "never");
  }));
  nodes.push_back(Constant("hpage_pmd_size", "2097152"));
  nodes.push_back(Attribute("shmem_enabled", [](const SysSource&) -> Result<std::string> {
    return Choice({"always", "within_size", "advise", "never", "deny", "force"}, "never");
  }));
  return nodes;
}

SysNodes Memory(const SysSource&) {
  // No pool of any size: MAP_HUGETLB finds nothing.
  return {EmptyDirectory("hugepages"), Directory("transparent_hugepage", TransparentHugePages)};
}

SysNodes KernelDirectory(const SysSource&) {
  return {Directory("mm", Memory), MountPoint("debug"), MountPoint("security"), MountPoint("tracing"),
          Constant("address_bits", "64"), Constant("cpu_byteorder", "little"),
          // Nobody listens to uevents here, so none was ever sent.
          Constant("uevent_seqnum", "0")};
}

SysNodes FileSystems(const SysSource&) { return {MountPoint("cgroup")}; }

SysNodes SystemDevices(const SysSource&) { return {SysCpuDirectory(), SysNodeDirectory()}; }

SysNodes Devices(const SysSource&) { return {Directory("system", SystemDevices), SysVirtualDevices()}; }

SysNodes BusDevices(const char* name, uint32_t count) {
  SysNodes nodes;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string device = absl::StrCat(name, i);
    nodes.push_back(Link(device, absl::StrCat("../../../devices/system/", name, "/", device)));
  }
  return nodes;
}

SysNode Bus(const char* name, std::function<uint32_t(const SysSource&)> count) {
  return Directory(name, [name, count = std::move(count)](const SysSource&) -> SysNodes {
    return {Directory("devices", [name, count](const SysSource& source) { return BusDevices(name, count(source)); }),
            EmptyDirectory("drivers")};
  });
}

SysNodes Buses(const SysSource&) {
  return {Bus("cpu", [](const SysSource& source) { return source.view->CpuCount(); }),
          Bus("node", [](const SysSource&) { return 1u; })};
}

}  // namespace

SysNodes SysRoot() {
  return {EmptyDirectory("block"),
          Directory("bus", Buses),
          SysClasses(),
          SysDeviceNumbers(),
          Directory("devices", Devices),
          EmptyDirectory("firmware"),
          Directory("fs", FileSystems),
          Directory("kernel", KernelDirectory),
          EmptyDirectory("module"),
          EmptyDirectory("power")};
}

}  // namespace sentry
