// Short pieces of code that entry_states runs in random states.
#ifndef TEST_HOSTILE_SNIPPETS_H_
#define TEST_HOSTILE_SNIPPETS_H_

#include <cstddef>
#include <span>
#include <string_view>

namespace hostile {

struct Snippet {
  std::string_view code;
  // Writes what differs from run to run: pages are not looked at.
  bool writes_noise = false;
};

// Each is at most kSnippetSize - 2 bytes long. A system call in one follows the load of
// its number; all registers and flags it leaves are the same each time.
inline constexpr size_t kSnippetSize = 32;
std::span<const Snippet> Snippets();

}  // namespace hostile

#endif  // TEST_HOSTILE_SNIPPETS_H_
