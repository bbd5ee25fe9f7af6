#include "runsc-cpp/boot/mount_points.h"

#include <deque>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/boot/errno_status.h"
#include "sentry/vfs/operations.h"

namespace runsc {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

namespace {

constexpr int kMaxLinks = 40;  // as Linux
constexpr size_t kMaxPath = 4096;

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

void Prepend(const std::string& path, std::deque<std::string>& names) {
  const std::vector<std::string> more = absl::StrSplit(path, '/', absl::SkipEmpty());
  names.insert(names.begin(), more.begin(), more.end());
}

}  // namespace

absl::StatusOr<std::string> ResolveInRoot(const VfsContext& ctx, const std::string& path) {
  std::string at;  // no link in it
  std::deque<std::string> left;
  Prepend(path, left);
  int links = 0;
  while (!left.empty()) {
    const std::string name = std::move(left.front());
    left.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      at = ParentOf(at);
      continue;
    }
    const std::string next = absl::StrCat(at, "/", name);
    if (next.size() >= kMaxPath) return Failed(absl::StrCat("find ", path), Errno::kENAMETOOLONG);
    WalkFlags itself;
    itself.follow = false;
    const Result<std::string> target = ReadLink(ctx, ctx.root, next, itself);
    if (!target.ok()) {  // no link, or nothing there
      at = next;
      continue;
    }
    if (++links > kMaxLinks) return Failed(absl::StrCat("find ", path), Errno::kELOOP);
    if (!target->empty() && target->front() == '/') at.clear();
    Prepend(*target, left);
  }
  return at.empty() ? "/" : at;
}

absl::Status MakeDirectories(const VfsContext& ctx, const std::string& path) {
  std::string at;
  for (const absl::string_view name : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    absl::StrAppend(&at, "/", name);
    const Result<void> made = MakeDirectory(ctx, ctx.root, at, 0755);
    if (!made.ok() && !made.Is(Errno::kEEXIST)) return Failed(absl::StrCat("mkdir ", at), made.error());
  }
  return absl::OkStatus();
}

absl::Status MakeMountFile(const VfsContext& ctx, const std::string& path) {
  if (absl::Status s = MakeDirectories(ctx, ParentOf(path)); !s.ok()) return s;
  const Result<void> made = MakeNode(ctx, ctx.root, path, abi::kSIfReg | 0644, 0);
  return made.ok() ? absl::OkStatus() : Failed(absl::StrCat("make ", path), made.error());
}

}  // namespace runsc
