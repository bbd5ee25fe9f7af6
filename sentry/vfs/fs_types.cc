#include "sentry/vfs/fs_types.h"

#include <map>
#include <utility>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/inode.h"

namespace sentry {
namespace {

// Written before the first task, read only after: no lock.
std::map<std::string, FsFactory, std::less<>>& Types() {
  static auto& types = *new std::map<std::string, FsFactory, std::less<>>();
  return types;
}

}  // namespace

void FsTypes::Register(std::string name, FsFactory make) { Types()[std::move(name)] = std::move(make); }

Result<NewFileSystem> FsTypes::Make(const VfsContext& ctx, std::string_view name, std::string_view source,
                                    std::string_view options) {
  auto it = Types().find(name);
  if (it == Types().end()) return Errno::kENODEV;
  return it->second(ctx, source, options);
}

std::vector<std::string> FsTypes::Names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : Types()) names.push_back(name);
  return names;
}

}  // namespace sentry
