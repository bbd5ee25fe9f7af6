#include "sentry/fs/dev/dev.h"

#include <sys/random.h>

#include <algorithm>
#include <vector>

#include "sentry/abi/fs.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/special_files.h"

namespace sentry {
namespace {

enum class MemoryDevice : uint8_t { kNull, kZero, kFull, kRandom };

class MemoryDeviceFile final : public FileDescription {
 public:
  MemoryDeviceFile(Path path, uint32_t flags, MemoryDevice device)
      : FileDescription(std::move(path), flags), device_(device) {}

  Result<size_t> Read(const VfsContext&, IoSink& dst) override {
    if (device_ == MemoryDevice::kNull || dst.remaining() == 0) return size_t{0};
    if (device_ == MemoryDevice::kRandom) return ReadRandom(dst);
    return dst.Zero(dst.remaining());
  }
  Result<size_t> ReadAt(const VfsContext& ctx, IoSink& dst, uint64_t) override { return Read(ctx, dst); }
  // What is written is not even looked at, as in Linux's write_null. Input to
  // the random pool is worth nothing: the bytes are the host's.
  Result<size_t> Write(const VfsContext&, IoSource& src) override {
    if (device_ == MemoryDevice::kFull) return Errno::kENOSPC;
    const size_t taken = src.remaining();
    src.Skip(taken);
    return taken;
  }
  Result<size_t> WriteAt(const VfsContext& ctx, IoSource& src, uint64_t) override { return Write(ctx, src); }
  bool seekable() const override { return true; }
  Result<int64_t> Seek(const VfsContext&, int64_t, int) override { return int64_t{0}; }
  // Null: memory of its own, as if nothing had been opened.
  Result<RefPtr<Mappable>> MapTarget() override {
    if (device_ != MemoryDevice::kZero) return Errno::kENODEV;
    return RefPtr<Mappable>();
  }

 private:
  static Result<size_t> ReadRandom(IoSink& dst) {
    std::vector<std::byte> chunk(std::min<size_t>(dst.remaining(), 4096));
    size_t total = 0;
    while (dst.remaining() > 0) {
      // The host's pool is seeded when the sandbox starts, so this never waits;
      // a signal can cut a call of more than 256 bytes short.
      const ssize_t n = getrandom(chunk.data(), std::min(chunk.size(), dst.remaining()), 0);
      if (n <= 0) continue;
      const Result<size_t> copied = dst.Write(std::span(chunk).first(static_cast<size_t>(n)));
      if (!copied.ok() && total == 0) return copied.error();
      total += copied.ok() ? *copied : 0;
      if (!copied.ok() || *copied < static_cast<size_t>(n)) break;
    }
    return total;
  }

  const MemoryDevice device_;
};

struct DeviceRow {
  const char* name;
  uint32_t major, minor;
};
// Those of major 1 are ours; tty is fs/devpts's.
constexpr DeviceRow kNodes[] = {
    {"full", 1, 7}, {"null", 1, 3}, {"random", 1, 8}, {"tty", 5, 0}, {"urandom", 1, 9}, {"zero", 1, 5},
};

struct LinkRow {
  const char* name;
  const char* target;
};
constexpr LinkRow kLinks[] = {
    {"fd", "/proc/self/fd"},      {"ptmx", "pts/ptmx"},          {"stderr", "/proc/self/fd/2"},
    {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
};

struct DirectoryRow {
  const char* name;
  uint32_t mode;
};
constexpr DirectoryRow kDirectories[] = {{"pts", 0755}, {"shm", 01777}};

void Register(uint32_t minor, MemoryDevice device) {
  SpecialFiles::AddCharDevice(
      1, minor, [device](const VfsContext&, const Path& path, uint32_t flags) -> Result<RefPtr<FileDescription>> {
        return RefPtr<FileDescription>(MakeRef<MemoryDeviceFile>(path, flags, device));
      });
}

}  // namespace

void RegisterMemoryDevices() {
  Register(3, MemoryDevice::kNull);
  Register(5, MemoryDevice::kZero);
  Register(7, MemoryDevice::kFull);
  Register(8, MemoryDevice::kRandom);
  Register(9, MemoryDevice::kRandom);
}

Result<void> MakeDevLinks(const VfsContext& ctx, const Path& dev) {
  for (const LinkRow& row : kLinks) {
    const Result<void> made = MakeSymlink(ctx, row.target, dev, row.name);
    if (!made.ok() && !made.Is(Errno::kEEXIST)) return made;
  }
  return Ok();
}

Result<void> PopulateDev(const VfsContext& ctx, const Path& root) {
  for (const DeviceRow& row : kNodes) {
    TRY(MakeNode(ctx, root, row.name, abi::kSIfChr | 0666, abi::MakeDev(row.major, row.minor)));
  }
  TRY(MakeDevLinks(ctx, root));
  for (const DirectoryRow& row : kDirectories) TRY(MakeDirectory(ctx, root, row.name, row.mode));
  return Ok();
}

}  // namespace sentry
