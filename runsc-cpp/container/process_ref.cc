#include "runsc-cpp/container/process_ref.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/unique_fd.h"

namespace runsc {
namespace {

std::string ReadSmallFile(const std::string& path) {
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[1024];
  const ssize_t n = fd.valid() ? read(fd.get(), buffer, sizeof buffer) : 0;
  return std::string(buffer, n > 0 ? static_cast<size_t>(n) : 0);
}

struct Stat {
  char state = 'X';
  uint64_t start_ticks = 0;
};

// man 5 proc: fields 3 and 22, behind the name in parentheses, which may hold anything.
Stat StatOf(pid_t pid) {
  Stat stat;
  const std::string text = ReadSmallFile(absl::StrCat("/proc/", pid, "/stat"));
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return stat;
  const std::vector<std::string> fields = absl::StrSplit(text.substr(end + 1), ' ', absl::SkipEmpty());
  if (fields.size() < 20 || !absl::SimpleAtoi(fields[19], &stat.start_ticks)) return stat;
  stat.state = fields[0][0];
  return stat;
}

// A descriptor of that very process, or an invalid one.
base::UniqueFd OpenProcess(const ProcessRef& ref) {
  if (ref.pid() <= 0) return base::UniqueFd();
  base::UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, ref.pid(), 0)));
  if (!fd.valid() || !IsAlive(ref)) return base::UniqueFd();
  return fd;
}

}  // namespace

ProcessRef RefTo(pid_t pid) {
  ProcessRef ref;
  const Stat stat = StatOf(pid);
  if (stat.start_ticks == 0) return ref;
  ref.set_pid(pid);
  ref.set_start_ticks(stat.start_ticks);
  return ref;
}

bool IsAlive(const ProcessRef& ref) {
  if (ref.pid() <= 0) return false;
  const Stat stat = StatOf(ref.pid());
  return stat.start_ticks == ref.start_ticks() && stat.state != 'Z' && stat.state != 'X';
}

void KillProcess(const ProcessRef& ref) {
  const base::UniqueFd fd = OpenProcess(ref);
  if (fd.valid()) syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0);
}

bool AwaitEnd(const ProcessRef& ref, int timeout_ms) {
  const base::UniqueFd fd = OpenProcess(ref);
  pollfd entry{fd.get(), POLLIN, 0};
  return !fd.valid() || poll(&entry, 1, timeout_ms) > 0;
}

std::string BootId() {
  std::string id = ReadSmallFile("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace runsc
