#include "sentry/fs/tmpfs/tmpfs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "sentry/fs/tmpfs/nodes.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {

using tmpfs::RegularFile;

TmpfsFileSystem::TmpfsFileSystem(MemoryFile& memory, TmpfsOptions options)
    : FileSystem("tmpfs"), memory_(memory), options_(std::move(options)) {}

TmpfsFileSystem::~TmpfsFileSystem() = default;

RefPtr<TmpfsFileSystem> TmpfsFileSystem::Create(MemoryFile& memory, TmpfsOptions options) {
  return MakeRef<TmpfsFileSystem>(memory, std::move(options));
}

namespace {

Result<uint64_t> ParseNumber(std::string_view text, uint64_t base) {
  uint64_t value = 0;
  if (text.empty()) return Errno::kEINVAL;
  for (const char c : text) {
    const uint64_t digit = static_cast<uint64_t>(c) - '0';
    if (digit >= base || value > (UINT64_MAX - digit) / base) return Errno::kEINVAL;
    value = value * base + digit;
  }
  return value;
}

Result<uint32_t> ParseId(std::string_view text, uint64_t base) {
  const uint64_t value = TRY(ParseNumber(text, base));
  if (value >= UINT32_MAX) return Errno::kEINVAL;
  return static_cast<uint32_t>(value);
}

// "64m". A share ("50%") is not taken.
Result<uint64_t> ParseSize(std::string_view text) {
  int shift = 0;
  if (!text.empty()) {
    const size_t unit = std::string_view("kmg").find(static_cast<char>(text.back() | 0x20));
    if (unit != std::string_view::npos) shift = 10 * (static_cast<int>(unit) + 1);
  }
  if (shift != 0) text.remove_suffix(1);
  const uint64_t value = TRY(ParseNumber(text, 10));
  if (value > UINT64_MAX >> shift) return Errno::kEINVAL;
  return value << shift;
}

Result<void> ParseOption(std::string_view key, std::string_view value, const UserNamespace& ns, TmpfsOptions& options) {
  if (key == "size") {
    options.max_bytes = TRY(ParseSize(value));
  } else if (key == "nr_blocks") {
    const uint64_t blocks = TRY(ParseSize(value));
    if (blocks > UINT64_MAX / kPageSize) return Errno::kEINVAL;
    options.max_bytes = blocks * kPageSize;
  } else if (key == "mode") {
    options.root_mode = TRY(ParseId(value, 8)) & abi::kPermMask;
  } else if (key == "uid") {
    options.uid = ns.ToKernelUid(TRY(ParseId(value, 10)));
    if (options.uid == kInvalidId) return Errno::kEINVAL;
  } else if (key == "gid") {
    options.gid = ns.ToKernelGid(TRY(ParseId(value, 10)));
    if (options.gid == kInvalidId) return Errno::kEINVAL;
  } else if (key != "nr_inodes" && key != "rw" && key != "ro") {
    return Errno::kEINVAL;
  }
  return Ok();
}

}  // namespace

Result<TmpfsOptions> TmpfsFileSystem::ParseOptions(std::string_view text, const Credentials* mounter) {
  TmpfsOptions options;
  if (mounter != nullptr) options.uid = mounter->fsuid, options.gid = mounter->fsgid;
  const UserNamespace& ns = mounter != nullptr ? *mounter->user_ns : *UserNamespace::Initial();
  while (!text.empty()) {
    const std::string_view option = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), option.size() + 1));
    const std::string_view key = option.substr(0, option.find('='));
    const std::string_view value = option.substr(std::min(option.size(), key.size() + 1));
    if (!option.empty()) TRY(ParseOption(key, value, ns, options));
  }
  options.max_bytes = PageRoundDown(options.max_bytes);
  return options;
}

std::string TmpfsFileSystem::options() const {
  std::string out;
  if (options_.max_bytes != 0) out += absl::StrFormat("size=%dk", options_.max_bytes >> 10);
  if (options_.root_mode != 01777) {
    out += absl::StrFormat("%smode=%o", out.empty() ? "" : ",", options_.root_mode);
  }
  return out;
}

Result<void> TmpfsFileSystem::Charge(uint64_t bytes) {
  if (options_.max_bytes == 0) {
    used_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return Ok();
  }
  uint64_t used = used_bytes_.load(std::memory_order_relaxed);
  do {
    if (used > options_.max_bytes || bytes > options_.max_bytes - used) return Errno::kENOSPC;
  } while (!used_bytes_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return Ok();
}

Result<abi::Statfs> TmpfsFileSystem::StatFs(const VfsContext&) {
  abi::Statfs out{};
  out.type = 0x01021994;
  out.bsize = out.frsize = kPageSize;
  out.namelen = 255;
  out.fsid[0] = static_cast<int32_t>(device());
  const MemoryFile::View memory = memory_.CallerView();
  const uint64_t limit = options_.max_bytes != 0 ? options_.max_bytes : memory.limit;
  const uint64_t taken = options_.max_bytes != 0 ? used_bytes() : memory.used;
  out.blocks = limit / kPageSize;
  out.bfree = out.bavail = (limit - std::min(limit, taken)) / kPageSize;
  // No limit of its own; what memory would hold, as Linux's default is.
  out.files = out.blocks / 2;
  out.ffree = out.files - std::min(out.files, inode_count_.load(std::memory_order_relaxed));
  return out;
}

RefPtr<Inode> TmpfsFileSystem::NewRoot() {
  return MakeRef<tmpfs::Directory>(
      RefPtr<TmpfsFileSystem>(this),
      CreateArgs{.mode = abi::kSIfDir | options_.root_mode, .uid = options_.uid, .gid = options_.gid});
}

namespace {

RefPtr<RegularFile> NewUnnamed(TmpfsFileSystem& fs, const CreateArgs& args, uint32_t seals) {
  auto file = MakeRef<RegularFile>(RefPtr<TmpfsFileSystem>(&fs), args, seals);
  file->DropLink();
  return file;
}

}  // namespace

RefPtr<Inode> TmpfsFileSystem::NewUnnamedFile(uint32_t mode, uint32_t uid, uint32_t gid) {
  return NewUnnamed(*this, CreateArgs{.mode = abi::kSIfReg | (mode & abi::kPermMask), .uid = uid, .gid = gid},
                    kSealSeal);
}

Result<RefPtr<FileDescription>> TmpfsFileSystem::NewMemfd(const VfsContext& ctx, std::string_view name,
                                                          uint32_t flags) {
  constexpr uint32_t kKnown = kMfdCloExec | kMfdAllowSealing | kMfdNoExecSeal | kMfdExec;
  constexpr size_t kNameMaxLength = 249;
  if ((flags & ~kKnown) != 0 || name.size() > kNameMaxLength) return Errno::kEINVAL;
  if ((flags & kMfdExec) != 0 && (flags & kMfdNoExecSeal) != 0) return Errno::kEINVAL;
  const bool no_exec = (flags & kMfdNoExecSeal) != 0;
  uint32_t seals = (flags & (kMfdAllowSealing | kMfdNoExecSeal)) != 0 ? 0 : kSealSeal;
  if (no_exec) seals |= kSealExec;
  const CreateArgs args{
      .mode = abi::kSIfReg | (no_exec ? 0666u : 0777u), .uid = ctx.creds->fsuid, .gid = ctx.creds->fsgid};
  RefPtr<Inode> inode = NewUnnamed(*this, args, seals);
  const Path path = InternalPath(InternalFs::kMemfd, std::move(inode), absl::StrFormat("/memfd:%s (deleted)", name));
  return tmpfs::NewRegularDescription(path, abi::kORdWr | abi::kOLargeFile);
}

Result<void> AddSeals(FileDescription& file, uint32_t seals) {
  if (file.kind() != RegularFile::Kind()) return Errno::kEINVAL;
  if (!file.writable()) return Errno::kEPERM;
  return static_cast<RegularFile&>(*file.inode()).AddSeals(seals);
}

Result<uint32_t> GetSeals(FileDescription& file) {
  if (file.kind() != RegularFile::Kind()) return Errno::kEINVAL;
  return static_cast<RegularFile&>(*file.inode()).seals();
}

}  // namespace sentry
