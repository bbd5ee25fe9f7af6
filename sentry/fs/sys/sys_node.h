// How the tree is described: a directory is a function that lists its entries.
#ifndef SENTRY_FS_SYS_SYS_NODE_H_
#define SENTRY_FS_SYS_SYS_NODE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "sentry/fs/sys/sys_view.h"

namespace sentry {

struct SysSource {
  std::shared_ptr<SysView> view;
  std::shared_ptr<NetDevices> net;
};

struct SysNode;
using SysNodes = std::vector<SysNode>;

struct SysDirectory {
  std::function<SysNodes(const SysSource&)> list;
  bool changes = false;  // entries come and go
  uint32_t mode = 0755;
};
struct SysAttribute {
  std::function<base::Result<std::string>(const SysSource&)> text;
};
struct SysLink {
  std::string target;
};
struct SysNode {
  std::string name;
  std::variant<SysDirectory, SysAttribute, SysLink> what;
};

inline SysNode Directory(std::string name, std::function<SysNodes(const SysSource&)> list) {
  return {std::move(name), SysDirectory{std::move(list)}};
}
inline SysNode ChangingDirectory(std::string name, std::function<SysNodes(const SysSource&)> list) {
  return {std::move(name), SysDirectory{std::move(list), true}};
}
// What this kernel has nothing of.
inline SysNode EmptyDirectory(std::string name) {
  return Directory(std::move(name), [](const SysSource&) { return SysNodes(); });
}
// What is there to be mounted on.
inline SysNode MountPoint(std::string name) {
  return {std::move(name), SysDirectory{[](const SysSource&) { return SysNodes(); }, false, 0555}};
}
inline SysNode Attribute(std::string name, std::function<base::Result<std::string>(const SysSource&)> text) {
  return {std::move(name), SysAttribute{std::move(text)}};
}
// A line of text that never changes.
inline SysNode Constant(std::string name, std::string line) {
  return Attribute(std::move(name),
                   [line = std::move(line) + "\n"](const SysSource&) -> base::Result<std::string> { return line; });
}
inline SysNode Link(std::string name, std::string target) { return {std::move(name), SysLink{std::move(target)}}; }

// --- Parts of the tree ---
SysNodes SysRoot();
SysNode SysCpuDirectory();                                // devices/system/cpu
SysNode SysNodeDirectory();                               // devices/system/node
SysNodes SysCpuCaches(uint32_t cpu, uint32_t cpu_count);  // cpuN/cache
SysNode SysVirtualDevices();                              // devices/virtual
SysNode SysClasses();                                     // class
SysNode SysDeviceNumbers();                               // dev

// --- Formats of cpumaps ---
// "0-3", "0"; "" for no CPU.
std::string CpuRangeText(uint32_t first, uint32_t count);
// The bits first, ..., first + count - 1 of `width`, as Linux's %*pb.
std::string CpuBitsText(uint32_t first, uint32_t count, uint32_t width);

}  // namespace sentry

#endif  // SENTRY_FS_SYS_SYS_NODE_H_
