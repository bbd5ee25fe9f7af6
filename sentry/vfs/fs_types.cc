#include "sentry/vfs/fs_types.h"

#include <map>
#include <utility>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/inode.h"
#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

struct Type {
  FsFactory make;
  FsTypes::Who who;
};

// Written before the first task, read only after: no lock.
std::map<std::string, Type, std::less<>>& Types() {
  static auto& types = *new std::map<std::string, Type, std::less<>>();
  return types;
}

}  // namespace

void FsTypes::Register(std::string name, FsFactory make, Who who) {
  Types()[std::move(name)] = {.make = std::move(make), .who = who};
}

Result<NewFileSystem> FsTypes::Make(const VfsContext& ctx, std::string_view name, std::string_view source,
                                    std::string_view options) {
  auto it = Types().find(name);
  if (it == Types().end()) return Errno::kENODEV;
  const Who who = it->second.who;
  const bool able =
      who == Who::kSandboxRoot ? ctx.creds->Has(Capability::kSysAdmin) : ctx.creds->HasHere(Capability::kSysAdmin);
  if (!able) return Errno::kEPERM;
  const bool hidden = who == Who::kIfVisible && !ctx.creds->user_ns->is_initial() && !ctx.mounts->FullyVisible(name);
  if (hidden) return Errno::kEPERM;
  return it->second.make(ctx, source, options);
}

std::vector<std::string> FsTypes::Names() {
  std::vector<std::string> names;
  for (const auto& [name, type] : Types()) names.push_back(name);
  return names;
}

}  // namespace sentry
