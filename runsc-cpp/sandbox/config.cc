#include "runsc-cpp/sandbox/config.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace runsc {

absl::StatusOr<base::UniqueFd> WriteConfig(const google::protobuf::MessageLite& config) {
  base::UniqueFd fd(memfd_create("config", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "memfd_create for the configuration");
  const std::string bytes = config.SerializeAsString();
  if (pwrite(fd.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return absl::ErrnoToStatus(errno, "write the configuration");
  }
  fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return fd;
}

absl::Status ReadConfig(int fd, google::protobuf::MessageLite& config) {
  struct stat st;
  if (fstat(fd, &st) != 0) return absl::ErrnoToStatus(errno, "read the configuration");
  std::string bytes(static_cast<size_t>(st.st_size), '\0');
  if (pread(fd, bytes.data(), bytes.size(), 0) != st.st_size || !config.ParseFromString(bytes)) {
    return absl::InvalidArgumentError("the configuration can't be read");
  }
  return absl::OkStatus();
}

}  // namespace runsc
