#include "runsc-cpp/container/state_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/postmortem/post_mortem.h"

namespace runsc {
namespace {

constexpr char kRecord[] = "record";
constexpr char kSockets[] = ".sandboxes";
constexpr char kLock[] = "lock";
constexpr char kRemedy[] = "; `delete --force` removes the container";
constexpr uint32_t kMagic = 0x63707231;  // "rpc1"

struct Header {
  uint32_t magic;
  uint32_t size;
  uint32_t crc;
};

absl::Status Failed(absl::string_view step, absl::string_view path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(step, " ", path));
}

absl::Status MakeDirectories(const std::string& path) {
  for (size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0711) != 0 && errno != EEXIST) return Failed("mkdir", part);
  }
  return absl::OkStatus();
}

void RemoveAt(int directory, const char* name) {
  if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) return;
  if (unlinkat(directory, name, 0) != 0) unlinkat(directory, name, AT_REMOVEDIR);
}

uint32_t Checksum(const std::string& bytes) {
  return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat st;
  if (!fd.valid() || fstat(fd.get(), &st) != 0) return Failed("open", path);
  if (st.st_size > static_cast<off_t>(kMaxStateFile)) return absl::DataLossError(absl::StrCat(path, " is too large"));
  std::string bytes(static_cast<size_t>(st.st_size), '\0');
  const ssize_t n = pread(fd.get(), bytes.data(), bytes.size(), 0);
  if (n < 0) return Failed("read", path);
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}

// The file is the old or the new one, never a part.
absl::Status Replace(const std::string& path, const std::string& bytes) {
  const std::string fresh = absl::StrCat(path, ".", getpid(), ".new");
  const base::UniqueFd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return Failed("open", fresh);
  if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    const absl::Status status = Failed("write", fresh);
    unlink(fresh.c_str());
    return status;
  }
  return rename(fresh.c_str(), path.c_str()) == 0 ? absl::OkStatus() : Failed("rename to", path);
}

// The path of a socket may be longer than an address holds: it goes by a descriptor of its directory.
struct SocketAddress {
  base::UniqueFd directory;
  sockaddr_un address = {};
};

absl::StatusOr<SocketAddress> AddressOf(const std::string& directory, const std::string& name) {
  SocketAddress out;
  out.directory.reset(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!out.directory.valid()) return Failed("open", directory);
  out.address.sun_family = AF_UNIX;
  // An id may be longer than what is left, too.
  const std::string path = absl::StrCat("/proc/self/fd/", out.directory.get(), "/", name);
  if (path.size() >= sizeof out.address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("the id ", name, " is longer than a socket's address"));
  }
  std::memcpy(out.address.sun_path, path.data(), path.size());
  return out;
}

}  // namespace

absl::Status CheckId(const std::string& id) {
  const bool ours = id == kSockets || id == kEndedFolder;
  const bool usable = !id.empty() && id.size() <= 1024 && id != "." && id != ".." && !ours &&
                      std::all_of(id.begin(), id.end(), [](char c) {
                        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                               c == '+' || c == '-' || c == '.';
                      });
  return usable ? absl::OkStatus() : absl::InvalidArgumentError("invalid container ID format");
}

std::string StateRoot::Directory(const std::string& id) const { return absl::StrCat(path_, "/", id); }

absl::Status StateRoot::Add(const std::string& id) const {
  if (absl::Status s = MakeDirectories(path_); !s.ok()) return s;
  const std::string directory = Directory(id);
  if (mkdir(directory.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno == EEXIST) return absl::AlreadyExistsError(absl::StrCat("container with given ID already exists"));
  return Failed("mkdir", directory);
}

bool StateRoot::Exists(const std::string& id) const {
  struct stat st;
  return CheckId(id).ok() && lstat(Directory(id).c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

absl::StatusOr<ContainerRecord> StateRoot::Load(const std::string& id) const {
  if (!Exists(id)) return absl::NotFoundError("container does not exist");
  const absl::StatusOr<std::string> bytes = ReadFile(id, kRecord);
  // Its maker or its remover was killed at the first or the last step.
  if (absl::IsNotFound(bytes.status())) return absl::NotFoundError("container does not exist");
  if (!bytes.ok()) return absl::DataLossError(absl::StrCat(bytes.status().message(), kRemedy));
  Header header = {};
  std::memcpy(&header, bytes->data(), std::min(bytes->size(), sizeof header));
  ContainerRecord record;
  const std::string body = bytes->substr(std::min(bytes->size(), sizeof header));
  if (header.magic != kMagic || header.size != body.size() || header.crc != Checksum(body) ||
      !record.ParseFromString(body) || record.id() != id) {
    return absl::DataLossError(absl::StrCat(Directory(id), "/", kRecord, " is damaged", kRemedy));
  }
  return record;
}

absl::Status StateRoot::Save(const ContainerRecord& record) const {
  const std::string body = record.SerializeAsString();
  const Header header{kMagic, static_cast<uint32_t>(body.size()), Checksum(body)};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  return WriteFile(record.id(), kRecord, bytes + body);
}

void StateRoot::Remove(const std::string& id) const {
  const std::string directory = Directory(id);
  // What lies in place of a directory is not followed.
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* dir = fd >= 0 ? fdopendir(fd) : nullptr;
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir)) {
    if (std::strcmp(entry->d_name, kRecord) != 0 && std::strcmp(entry->d_name, kLock) != 0) RemoveAt(fd, entry->d_name);
  }
  // Last: until here it can be listed and deleted again. Then the lock, which others may wait for.
  RemoveAt(fd, kRecord);
  RemoveAt(fd, kLock);
  closedir(dir);
  rmdir(directory.c_str());
}

std::vector<std::string> StateRoot::List() const {
  std::vector<std::string> ids;
  DIR* dir = opendir(path_.c_str());
  if (dir == nullptr) return ids;
  while (const dirent* entry = readdir(dir)) {
    struct stat st;
    const std::string record = absl::StrCat(entry->d_name, "/", kRecord);
    if (!Exists(entry->d_name)) continue;
    if (fstatat(dirfd(dir), record.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) ids.emplace_back(entry->d_name);
  }
  closedir(dir);
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::StatusOr<base::UniqueFd> StateRoot::Lock(const std::string& id) const {
  const std::string path = absl::StrCat(Directory(id), "/", kLock);
  base::UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return errno == ENOENT ? absl::NotFoundError("container does not exist") : Failed("open", path);
  while (flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return Failed("lock", path);
  }
  return fd;
}

absl::Status StateRoot::WriteFile(const std::string& id, const char* name, const std::string& text) const {
  return Replace(absl::StrCat(Directory(id), "/", name), text);
}

absl::StatusOr<std::string> StateRoot::ReadFile(const std::string& id, const char* name) const {
  return ReadAll(absl::StrCat(Directory(id), "/", name));
}

absl::StatusOr<base::UniqueFd> StateRoot::OpenLog(const std::string& id) const {
  const std::string path = absl::StrCat(Directory(id), "/log");
  base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return Failed("open", path);
  return fd;
}

absl::StatusOr<base::UniqueFd> StateRoot::ListenAs(const std::string& sandbox) const {
  const std::string directory = absl::StrCat(path_, "/", kSockets);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return Failed("mkdir", directory);
  absl::StatusOr<SocketAddress> address = AddressOf(directory, sandbox);
  if (!address.ok()) return address.status();
  unlink(address->address.sun_path);  // a sandbox's of that name that is gone
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || bind(fd.get(), reinterpret_cast<sockaddr*>(&address->address), sizeof(sockaddr_un)) != 0 ||
      listen(fd.get(), 64) != 0) {
    return Failed("listen at", absl::StrCat(directory, "/", sandbox));
  }
  return fd;
}

absl::StatusOr<base::UniqueFd> StateRoot::ConnectTo(const std::string& sandbox) const {
  absl::StatusOr<SocketAddress> address = AddressOf(absl::StrCat(path_, "/", kSockets), sandbox);
  if (!address.ok()) return absl::UnavailableError(std::string(address.status().message()));
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || connect(fd.get(), reinterpret_cast<sockaddr*>(&address->address), sizeof(sockaddr_un)) != 0) {
    return absl::UnavailableError(absl::StrCat("connect to sandbox ", sandbox, ": ", strerror(errno)));
  }
  return fd;
}

void StateRoot::RemoveSocket(const std::string& sandbox) const {
  unlink(absl::StrCat(path_, "/", kSockets, "/", sandbox).c_str());
}

}  // namespace runsc
