#include "runsc-cpp/container/title.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/unique_fd.h"

namespace runsc {
namespace {

// The fields of /proc/self/stat from the third on; few: it can't be read.
std::vector<uint64_t> ReadStat() {
  char line[4096];
  const base::UniqueFd fd(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
  const ssize_t n = fd.valid() ? read(fd.get(), line, sizeof line) : -1;
  const absl::string_view text(line, n > 0 ? static_cast<size_t>(n) : 0);
  const size_t name_end = text.rfind(')');
  std::vector<uint64_t> fields;
  if (name_end == absl::string_view::npos) return fields;
  for (const absl::string_view word :
       absl::StrSplit(text.substr(name_end + 1), absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    uint64_t value = 0;
    (void)absl::SimpleAtoi(word, &value);  // the state, and negative ones: not ours
    fields.push_back(value);
  }
  return fields;
}

void SetCommandLine(const char* start, const char* end) {
  const std::vector<uint64_t> stat = ReadStat();
  if (stat.size() < 49) return;
  const auto field = [&](int number) { return stat[number - 3]; };  // as proc(5) numbers them
  prctl_mm_map map{};
  map.start_code = field(26), map.end_code = field(27), map.start_stack = field(28);
  map.start_data = field(45), map.end_data = field(46), map.start_brk = field(47);
  map.brk = reinterpret_cast<uintptr_t>(sbrk(0));
  map.arg_start = reinterpret_cast<uintptr_t>(start), map.arg_end = reinterpret_cast<uintptr_t>(end);
  map.env_start = field(50), map.env_end = field(51);
  map.exe_fd = static_cast<uint32_t>(-1);  // as it is
  prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
}

}  // namespace

void SetTitle(std::string_view name, std::string_view command_line) {
  prctl(PR_SET_NAME, std::string(name.substr(0, 15)).c_str(), 0, 0, 0);
  // The host reads it here, whenever somebody asks; it wants memory that is of no file.
  static void* const area =
      mmap(nullptr, kMaxCommandLine + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) return;
  char* const text = static_cast<char*>(area);
  size_t size = std::min(command_line.size(), kMaxCommandLine);
  memset(text, 0, kMaxCommandLine + 1);
  command_line.copy(text, size);
  if (size > 0 && text[size - 1] != '\0') ++size;
  SetCommandLine(text, text + size);
}

}  // namespace runsc
