#include "sentry/vfs/special_files.h"

#include <map>
#include <optional>
#include <utility>

#include "sentry/abi/fs.h"
#include "sentry/vfs/file_description.h"

namespace sentry {
namespace {

struct Registry {
  OpenSpecial fifo;
  std::map<std::pair<uint32_t, uint32_t>, OpenSpecial> devices;
  std::map<uint32_t, OpenSpecial> ranges;
};

// Filled before the first task and only read from then on, hence without a
// lock. Never destroyed: tasks may outlive static destruction.
Registry& TheRegistry() {
  static Registry* const registry = new Registry;
  return *registry;
}

}  // namespace

void SpecialFiles::SetFifo(OpenSpecial open) { TheRegistry().fifo = std::move(open); }

void SpecialFiles::AddCharDevice(uint32_t major, uint32_t minor, OpenSpecial open) {
  TheRegistry().devices[{major, minor}] = std::move(open);
}

void SpecialFiles::AddCharDeviceRange(uint32_t major, OpenSpecial open) {
  TheRegistry().ranges[major] = std::move(open);
}

Result<RefPtr<FileDescription>> SpecialFiles::Open(const VfsContext& ctx, const Path& path, uint32_t type,
                                                   uint64_t rdev, uint32_t flags) {
  const Registry& registry = TheRegistry();
  if (type == abi::kSIfIfo) {
    if (!registry.fifo) return Errno::kENXIO;
    return registry.fifo(ctx, path, flags);
  }
  if (type != abi::kSIfChr) return Errno::kENXIO;
  if (auto it = registry.devices.find({abi::Major(rdev), abi::Minor(rdev)}); it != registry.devices.end()) {
    return it->second(ctx, path, flags);
  }
  if (auto it = registry.ranges.find(abi::Major(rdev)); it != registry.ranges.end()) {
    return it->second(ctx, path, flags);
  }
  return Errno::kENXIO;
}

}  // namespace sentry
