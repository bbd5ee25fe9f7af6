#include "runsc-cpp/cmd/command.h"

#include <unistd.h>

#include <string>

namespace runsc {

uint32_t& ClosedStreams() {
  static uint32_t closed = 0;
  return closed;
}

int Fail(std::string_view command, std::string_view text) {
  std::string line = "runsc-cpp";
  if (!command.empty()) line.append(" ").append(command);
  line.append(": ").append(text).append("\n");
  (void)!write(STDERR_FILENO, line.data(), line.size());
  return kExitFailure;
}

void Print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace runsc
