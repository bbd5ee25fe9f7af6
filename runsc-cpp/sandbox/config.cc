#include "runsc-cpp/sandbox/config.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"

namespace runsc {
namespace {

constexpr size_t kMaxConfig = 64 << 20;

class Writer {
 public:
  void Field(const std::string& s) {
    Field(uint64_t{s.size()});
    bytes_ += s;
  }
  void Field(uint64_t v) { bytes_.append(reinterpret_cast<const char*>(&v), sizeof v); }
  void Field(uint32_t v) { Field(uint64_t{v}); }
  void Field(bool v) { Field(uint64_t{v}); }
  void Field(const VolumeConfig& v) { Field(v.host_path), Field(v.guest_path), Field(v.read_only); }
  template <typename T>
  void Field(const std::vector<T>& list) {
    Field(uint64_t{list.size()});
    for (const T& item : list) Field(item);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  void Field(uint64_t& v) {
    v = 0;
    if (rest_.size() < sizeof v) return Fail();
    std::memcpy(&v, rest_.data(), sizeof v);
    rest_.remove_prefix(sizeof v);
  }
  void Field(uint32_t& v) {
    uint64_t wide;
    Field(wide);
    v = static_cast<uint32_t>(wide);
  }
  void Field(bool& v) {
    uint64_t wide;
    Field(wide);
    v = wide != 0;
  }
  void Field(std::string& s) {
    uint64_t size;
    Field(size);
    if (size > rest_.size()) return Fail();
    s.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
  }
  void Field(VolumeConfig& v) { Field(v.host_path), Field(v.guest_path), Field(v.read_only); }
  template <typename T>
  void Field(std::vector<T>& list) {
    uint64_t count;
    Field(count);
    if (count > rest_.size()) return Fail();
    list.resize(count);
    for (T& item : list) Field(item);
  }
  bool ok() const { return ok_ && rest_.empty(); }

 private:
  void Fail() {
    ok_ = false;
    rest_ = {};
  }
  std::string_view rest_;
  bool ok_ = true;
};

// The one list of fields, for both directions.
template <typename Codec, typename Config>
void Fields(Codec& codec, Config& c) {
  codec.Field(c.argv), codec.Field(c.envp), codec.Field(c.cwd);
  codec.Field(c.uid), codec.Field(c.gid), codec.Field(c.groups), codec.Field(c.umask), codec.Field(c.limits);
  codec.Field(c.nice), codec.Field(c.ignored_signals), codec.Field(c.closed_streams);
  codec.Field(c.root), codec.Field(c.volumes), codec.Field(c.hostname), codec.Field(c.platform);
  codec.Field(c.network), codec.Field(c.raw_sockets);
  codec.Field(c.memory_limit), codec.Field(c.cpu_count), codec.Field(c.strace), codec.Field(c.log_level);
  codec.Field(c.control_fd), codec.Field(c.log_fd), codec.Field(c.large_memory_fd), codec.Field(c.device_fd),
      codec.Field(c.gofer_memory_fd);
  codec.Field(c.gofer_sockets), codec.Field(c.netgofer_sockets), codec.Field(c.rows), codec.Field(c.columns);
}

}  // namespace

absl::StatusOr<base::UniqueFd> WriteConfig(const SandboxConfig& config) {
  Writer writer;
  Fields(writer, config);
  base::UniqueFd fd(memfd_create("runsc-config", MFD_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "memfd_create for the configuration");
  const std::string& bytes = writer.bytes();
  if (pwrite(fd.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return absl::ErrnoToStatus(errno, "write the configuration");
  }
  return fd;
}

absl::StatusOr<SandboxConfig> ReadConfig(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return absl::ErrnoToStatus(errno, "stat the configuration");
  if (static_cast<size_t>(st.st_size) > kMaxConfig) return absl::InvalidArgumentError("configuration too long");
  std::string bytes(st.st_size, '\0');
  if (pread(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return absl::ErrnoToStatus(errno, "read the configuration");
  }
  SandboxConfig config;
  Reader reader(bytes);
  Fields(reader, config);
  if (!reader.ok()) return absl::InvalidArgumentError("malformed configuration");
  return config;
}

}  // namespace runsc
