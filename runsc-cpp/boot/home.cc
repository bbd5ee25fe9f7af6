#include "runsc-cpp/boot/home.h"

#include <span>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "sentry/vfs/operations.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

constexpr size_t kMaxPasswd = 1 << 20;

// What can't be read is an empty file.
std::string ReadPasswd(const VfsContext& ctx) {
  const Result<RefPtr<FileDescription>> file =
      Open(ctx, ctx.root, "/etc/passwd", {.flags = abi::kORdOnly, .mode = 0, .resolve = {}});
  std::string text;
  while (file.ok() && (*file)->inode()->is_regular() && text.size() < kMaxPasswd) {
    char buffer[4096];
    KernelIoSink sink(std::as_writable_bytes(std::span(buffer)));
    const Result<size_t> n = (*file)->ReadAt(ctx, sink, text.size());
    if (!n.ok() || *n == 0) break;
    text.append(buffer, *n);
  }
  return text;
}

}  // namespace

std::string HomeInPasswd(std::string_view text, uint32_t uid) {
  for (const absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ':');
    uint32_t id;
    if (fields.size() >= 6 && absl::SimpleAtoi(fields[2], &id) && id == uid) return std::string(fields[5]);
  }
  return "";
}

std::string HomeOf(const VfsContext& ctx, uint32_t uid) {
  std::string home = HomeInPasswd(ReadPasswd(ctx), uid);
  return home.empty() ? "/" : home;
}

}  // namespace runsc
