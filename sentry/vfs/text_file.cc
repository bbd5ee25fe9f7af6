#include "sentry/vfs/text_file.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace sentry {

namespace {

// What open files may keep: a reader of one byte keeps all of a text, and pays nothing for it.
constexpr size_t kMaxKept = 64 << 20;
std::atomic<size_t> kept_bytes{0};  // a sum alone

Result<size_t> CopyFrom(const std::string& text, IoSink& dst, uint64_t offset) {
  if (offset >= text.size()) return size_t{0};
  const std::span<const std::byte> rest = std::as_bytes(std::span(text)).subspan(offset);
  return dst.Write(rest.first(std::min(rest.size(), dst.remaining())));
}

}  // namespace

class TextFile::Kept {
 public:
  static Result<std::shared_ptr<const Kept>> Create(std::string text) {
    auto kept = std::make_shared<const Kept>(std::move(text));
    if (kept_bytes.load(std::memory_order_relaxed) > kMaxKept) return Errno::kENOMEM;
    return kept;
  }
  explicit Kept(std::string text) : text(std::move(text)) {
    kept_bytes.fetch_add(this->text.size(), std::memory_order_relaxed);
  }
  ~Kept() { kept_bytes.fetch_sub(text.size(), std::memory_order_relaxed); }
  const std::string text;
};

Result<size_t> TextFile::Read(const VfsContext& ctx, IoSink& dst) {
  int64_t at;
  {
    base::MutexLock lock(position_mu_);
    at = position();
  }
  // Not under the position's lock: text about other open files takes theirs.
  const std::shared_ptr<const Kept> kept = TRY(Text(ctx, at == 0));
  base::MutexLock lock(position_mu_);
  const size_t n = TRY(CopyFrom(kept->text, dst, static_cast<uint64_t>(position())));
  set_position(position() + static_cast<int64_t>(n));
  return n;
}

Result<size_t> TextFile::ReadAt(const VfsContext& ctx, IoSink& dst, uint64_t offset) {
  const std::shared_ptr<const Kept> kept = TRY(Text(ctx, offset == 0));
  return CopyFrom(kept->text, dst, offset);
}

Result<size_t> TextFile::Write(const VfsContext& ctx, IoSource& src) {
  int64_t at;
  {
    base::MutexLock lock(position_mu_);
    at = position();
  }
  const size_t n = TRY(WriteAt(ctx, src, static_cast<uint64_t>(at)));
  base::MutexLock lock(position_mu_);
  set_position(position() + static_cast<int64_t>(n));
  return n;
}

Result<size_t> TextFile::WriteAt(const VfsContext& ctx, IoSource& src, uint64_t offset) {
  const size_t asked = src.remaining();
  std::string text(std::min(src.remaining(), kMaxWrite), '\0');
  const size_t n = TRY(src.Read(std::as_writable_bytes(std::span(text))));
  text.resize(n);
  TRY(Store(ctx, {.text = text, .offset = offset, .size = asked}));
  return n;
}

Result<void> TextFile::Store(const VfsContext&, const Order&) { return Errno::kEIO; }

Result<std::shared_ptr<const TextFile::Kept>> TextFile::Text(const VfsContext& ctx, bool fresh) {
  if (!fresh) {
    base::MutexLock lock(text_mu_);
    if (text_) return text_;
  }
  std::shared_ptr<const Kept> text = TRY(Kept::Create(TRY(Generate(ctx))));
  base::MutexLock lock(text_mu_);
  text_ = text;
  return text;
}

}  // namespace sentry
