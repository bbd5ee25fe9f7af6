#include "runsc-cpp/boot/copy_tree.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/errno_status.h"
#include "sentry/usermem/io_buffer.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/operations.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

constexpr WalkFlags kNoFollow{.follow = false};

struct Names final : DirSink {
  bool Add(std::string_view name, uint64_t, uint32_t, int64_t) override {
    if (name != "." && name != "..") found.emplace_back(name);
    ++seen;
    return true;
  }
  std::vector<std::string> found;
  size_t seen = 0;
};

Result<std::vector<std::string>> NamesIn(const VfsContext& ctx, const Path& dir) {
  const RefPtr<FileDescription> file = TRY(OpenPath(ctx, dir, abi::kORdOnly | abi::kODirectory));
  Names names;
  for (size_t before = SIZE_MAX; before != names.seen;) {
    before = names.seen;
    TRY(file->IterateDir(ctx, names));
  }
  return std::move(names.found);
}

Result<void> CopyData(const VfsContext& ctx, const Path& from, const Path& to) {
  const RefPtr<FileDescription> in = TRY(OpenPath(ctx, from, abi::kORdOnly));
  const RefPtr<FileDescription> out = TRY(OpenPath(ctx, to, abi::kOWrOnly));
  std::vector<std::byte> buffer(size_t{64} << 10);
  for (;;) {
    KernelIoSink sink(buffer);
    const size_t n = TRY(in->Read(ctx, sink));
    if (n == 0) return Ok();
    for (size_t done = 0; done < n;) {
      KernelIoSource source(std::span<const std::byte>(buffer).subspan(done, n - done));
      done += TRY(out->Write(ctx, source));
    }
  }
}

Result<void> CopyAttributes(const VfsContext& ctx, const Attributes& attributes, const Path& to) {
  TRY(ChangeOwner(ctx, to, attributes.uid, attributes.gid));
  if (attributes.type() != abi::kSIfLnk) TRY(ChangeMode(ctx, to, attributes.perm()));
  using Kind = TimeChange::Kind;
  return ChangeTimes(ctx, to, {.kind = Kind::kSet, .value = attributes.atime},
                     {.kind = Kind::kSet, .value = attributes.mtime});
}

// Makes `name` in `to` as `from` is; a directory yet empty.
Result<Path> CopyOne(const VfsContext& ctx, const Path& from, const Attributes& attributes, const Path& to,
                     const std::string& name) {
  switch (attributes.type()) {
    case abi::kSIfDir:
      TRY(MakeDirectory(ctx, to, name, 0700));
      break;
    case abi::kSIfLnk:
      TRY(MakeSymlink(ctx, TRY(ReadLink(ctx, from, "", {.empty_path = true})), to, name));
      break;
    default:
      TRY(MakeNode(ctx, to, name, attributes.mode, attributes.rdev));
  }
  const Path made = TRY(ResolvePath(ctx, to, name, kNoFollow));
  if (attributes.type() == abi::kSIfReg) TRY(CopyData(ctx, from, made));
  return made;
}

struct Pending {
  Path from, to;
  Attributes attributes;
  std::string shown;
};

}  // namespace

absl::Status CopyTree(const VfsContext& ctx, const Path& from, const Path& to) {
  std::vector<Pending> directories{{from, to, {}, ""}};
  // A directory's own times come last, as what is made in it moves them.
  for (size_t i = 0; i < directories.size(); ++i) {
    const Pending dir = directories[i];
    const Result<std::vector<std::string>> names = NamesIn(ctx, dir.from);
    if (!names.ok()) return Failed(absl::StrCat("list /", dir.shown), names.error());
    for (const std::string& name : *names) {
      std::string shown = absl::StrCat(dir.shown, dir.shown.empty() ? "" : "/", name);
      const auto copy = [&]() -> Result<void> {
        const Path source = TRY(ResolvePath(ctx, dir.from, name, kNoFollow));
        const Attributes attributes = TRY(GetAttributes(ctx, source));
        const Path made = TRY(CopyOne(ctx, source, attributes, dir.to, name));
        if (attributes.type() != abi::kSIfDir) return CopyAttributes(ctx, attributes, made);
        directories.push_back({source, made, attributes, shown});
        return Ok();
      };
      if (const Result<void> copied = copy(); !copied.ok()) return Failed(absl::StrCat("copy ", shown), copied.error());
    }
  }
  for (size_t i = directories.size(); --i > 0;) {
    const Result<void> set = CopyAttributes(ctx, directories[i].attributes, directories[i].to);
    if (!set.ok()) return Failed(absl::StrCat("copy ", directories[i].shown), set.error());
  }
  return absl::OkStatus();
}

}  // namespace runsc
