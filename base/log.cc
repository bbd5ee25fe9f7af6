#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <string>

namespace base {
namespace {

std::atomic<int> g_fd{2};
std::atomic<int> g_level{static_cast<int>(LogLevel::kWarning)};
std::atomic<const char*> g_process{""};

char Letter(LogLevel level) { return "DIWEF"[static_cast<int>(level)]; }

}  // namespace

void SetLogConfig(const LogConfig& config) {
  g_fd = config.fd;
  g_level = static_cast<int>(config.level);
  g_process = config.process;
}

bool LogEnabled(LogLevel level) { return static_cast<int>(level) >= g_level.load(std::memory_order_relaxed); }

void LogRaw(LogLevel level, const char* file, int line, std::string_view message) {
  if (!LogEnabled(level)) return;
  const int saved = errno;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::string out = absl::StrFormat("%c%d.%06d %s[%d] %s:%d] %s\n", Letter(level), now.tv_sec, now.tv_nsec / 1000,
                                    g_process.load(), getpid(), file, line, message);
  [[maybe_unused]] ssize_t n = write(g_fd.load(), out.data(), out.size());
  errno = saved;
}

}  // namespace base
