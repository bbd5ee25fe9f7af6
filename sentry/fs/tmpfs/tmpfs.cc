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
    : FileSystem("tmpfs"),
      memory_(memory),
      options_(std::move(options)),
      max_bytes_(options_.max_bytes),
      max_inodes_(options_.max_inodes) {}

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

// "64m".
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

// There is no disk to be in step with, no swap, and inode numbers are small.
constexpr std::string_view kNothingToDo[] = {"rw",         "ro",     "sync",    "async",   "dirsync", "lazytime",
                                             "nolazytime", "nomand", "inode32", "inode64", "noswap"};

// What is given; the rest of TmpfsOptions has defaults.
struct Given {
  bool size = false, inodes = false;
};

Result<void> ParseOption(std::string_view key, std::string_view value, const UserNamespace& ns, uint64_t total,
                         TmpfsOptions& options, Given& given) {
  given.size |= key == "size" || key == "nr_blocks";
  given.inodes |= key == "nr_inodes";
  if (key == "size" && value.ends_with('%')) {
    const uint64_t share = TRY(ParseNumber(value.substr(0, value.size() - 1), 10));
    if (share > UINT64_MAX / std::max<uint64_t>(total, 1)) return Errno::kEINVAL;
    options.max_bytes = total * share / 100;
  } else if (key == "size") {
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
  } else if (key == "nr_inodes") {
    options.max_inodes = TRY(ParseSize(value));
  } else if (key == "huge") {
    // Huge pages are memfile's business, by how dense a file is.
    if (value != "never") return Errno::kEINVAL;
  } else if (std::find(std::begin(kNothingToDo), std::end(kNothingToDo), key) == std::end(kNothingToDo)) {
    return Errno::kEINVAL;
  }
  return Ok();
}

Result<TmpfsOptions> Parse(std::string_view text, uint64_t total, const Credentials* mounter, Given& given) {
  TmpfsOptions options;
  if (mounter != nullptr) options.uid = mounter->fsuid, options.gid = mounter->fsgid;
  const UserNamespace& ns = mounter != nullptr ? *mounter->user_ns : *UserNamespace::Initial();
  while (!text.empty()) {
    const std::string_view option = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), option.size() + 1));
    const std::string_view key = option.substr(0, option.find('='));
    const std::string_view value = option.substr(std::min(option.size(), key.size() + 1));
    if (!option.empty()) TRY(ParseOption(key, value, ns, total, options, given));
  }
  if (options.max_bytes > UINT64_MAX - kPageSize) return Errno::kEINVAL;
  options.max_bytes = PageRoundUp(options.max_bytes);
  return options;
}

}  // namespace

Result<TmpfsOptions> TmpfsFileSystem::ParseOptions(std::string_view text, uint64_t total, const Credentials* mounter) {
  Given given;
  return Parse(text, total, mounter, given);
}

// Linux's shmem_reconfigure.
Result<void> TmpfsFileSystem::Reconfigure(const VfsContext& ctx, std::string_view text) {
  Given given;
  const TmpfsOptions fresh = TRY(Parse(text, memory_.CallerView().limit, ctx.creds.get(), given));
  const auto check = [](bool is_given, uint64_t now, uint64_t wanted, uint64_t used) -> Result<void> {
    if (!is_given || wanted == 0) return Ok();
    return now == 0 || used > wanted ? Errno::kEINVAL : Ok();
  };
  TRY(check(given.size, max_bytes_.load(std::memory_order_relaxed), fresh.max_bytes, used_bytes()));
  const uint64_t inodes = inode_count_.load(std::memory_order_relaxed);
  TRY(check(given.inodes, max_inodes_.load(std::memory_order_relaxed), fresh.max_inodes, inodes));
  if (given.size) max_bytes_.store(fresh.max_bytes, std::memory_order_relaxed);
  if (given.inodes) max_inodes_.store(fresh.max_inodes, std::memory_order_relaxed);
  return Ok();
}

std::string TmpfsFileSystem::options() const {
  std::string out;
  const auto add = [&](const std::string& option) { out += out.empty() ? option : "," + option; };
  const uint64_t bytes = max_bytes_.load(std::memory_order_relaxed);
  const uint64_t inodes = max_inodes_.load(std::memory_order_relaxed);
  if (bytes != 0) add(absl::StrFormat("size=%dk", bytes >> 10));
  if (inodes != 0) add(absl::StrFormat("nr_inodes=%d", inodes));
  if (options_.root_mode != 01777) add(absl::StrFormat("mode=%o", options_.root_mode));
  if (options_.uid != 0) add(absl::StrFormat("uid=%d", options_.uid));
  if (options_.gid != 0) add(absl::StrFormat("gid=%d", options_.gid));
  return out;
}

Result<void> TmpfsFileSystem::TakeInode() {
  uint64_t count = inode_count_.load(std::memory_order_relaxed);
  uint64_t max;
  do {
    max = max_inodes_.load(std::memory_order_relaxed);
    if (max != 0 && count >= max) return Errno::kENOSPC;
  } while (!inode_count_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed));
  return Ok();
}

Result<void> TmpfsFileSystem::Charge(uint64_t bytes) {
  const uint64_t max = max_bytes_.load(std::memory_order_relaxed);
  if (max == 0) {
    used_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return Ok();
  }
  uint64_t used = used_bytes_.load(std::memory_order_relaxed);
  do {
    if (used > max || bytes > max - used) return Errno::kENOSPC;
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
  const uint64_t max = max_bytes_.load(std::memory_order_relaxed);
  const uint64_t limit = max != 0 ? max : memory.limit;
  const uint64_t taken = max != 0 ? used_bytes() : memory.used;
  out.blocks = limit / kPageSize;
  out.bfree = out.bavail = (limit - std::min(limit, taken)) / kPageSize;
  // Without a limit of its own, what memory would hold, as Linux's default is.
  const uint64_t max_inodes = max_inodes_.load(std::memory_order_relaxed);
  out.files = max_inodes != 0 ? max_inodes : out.blocks / 2;
  out.ffree = out.files - std::min(out.files, inode_count_.load(std::memory_order_relaxed));
  return out;
}

RefPtr<Inode> TmpfsFileSystem::NewRoot() {
  (void)TakeInode();  // the first one, and any limit allows one
  return MakeRef<tmpfs::Directory>(
      RefPtr<TmpfsFileSystem>(this),
      CreateArgs{.mode = abi::kSIfDir | options_.root_mode, .uid = options_.uid, .gid = options_.gid});
}

namespace {

RefPtr<RegularFile> NewUnnamed(TmpfsFileSystem& fs, const CreateArgs& args, uint32_t seals) {
  (void)fs.TakeInode();  // of a file system without a limit
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
