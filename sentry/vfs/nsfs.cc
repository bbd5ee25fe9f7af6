#include "sentry/vfs/nsfs.h"

#include <string>
#include <utility>

#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

class NsInode final : public SimpleInode {
 public:
  explicit NsInode(RefPtr<Namespace> ns)
      : SimpleInode(InternalFileSystem(InternalFs::kNs), Attributes{.ino = ns->id(), .mode = abi::kSIfReg | 0444}),
        ns_(std::move(ns)) {}
  Result<void> SetAttr(const VfsContext&, const SetAttributes&) override { return Errno::kEPERM; }
  // Immutable, as Linux's are.
  Result<void> CheckPermission(const VfsContext& ctx, uint32_t mask) override {
    if ((mask & abi::kMayWrite) != 0) return Errno::kEPERM;
    return SimpleInode::CheckPermission(ctx, mask);
  }
  Result<RefPtr<FileDescription>> Open(const VfsContext&, const Path& path, uint32_t flags) override {
    return RefPtr<FileDescription>(MakeRef<NsFile>(path, flags, ns_));
  }

 private:
  const RefPtr<Namespace> ns_;
};

}  // namespace

NsFile::NsFile(Path path, uint32_t flags, RefPtr<Namespace> ns)
    : FileDescription(std::move(path), flags), ns_(std::move(ns)) {}
NsFile::~NsFile() = default;

RefPtr<NsFile> NsFile::Create(RefPtr<Namespace> ns) {
  Path path = NsPath(ns);
  return MakeRef<NsFile>(std::move(path), abi::kORdOnly, std::move(ns));
}

const void* NsFile::Kind() {
  static const char kKind = 0;
  return &kKind;
}

Path NsPath(RefPtr<Namespace> ns) {
  std::string name = std::string(NameOf(ns->kind())) + ":[" + std::to_string(ns->id()) + "]";
  return InternalPath(InternalFs::kNs, MakeRef<NsInode>(std::move(ns)), std::move(name));
}

}  // namespace sentry
