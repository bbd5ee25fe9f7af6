// Lines of output. Each must be the same on every kernel that is Linux: `NAME: key=value ...`.
#ifndef TEST_HOSTILE_OUTPUT_H_
#define TEST_HOSTILE_OUTPUT_H_

#include <cstdint>
#include <string>

#include "test/hostile/machine.h"

namespace hostile {

// One write() a line, so that what was said before a death is told.
[[gnu::format(printf, 1, 2)]] void Say(const char* format, ...);
// The harness itself is wrong, or this machine is not fit.
[[noreturn, gnu::format(printf, 1, 2)]] void Die(const char* format, ...);
[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...);

// What Describe leaves out.
enum Hide : unsigned {
  kHideNothing = 0,
  kHideRegisters = 1,  // the general ones: results that differ from time to time
  kHideFlags = 2,
  kHideError = 4,
};

// Signal, place and what has changed against `before`. rip as the distance to that before.
std::string Describe(const State& before, const Caught& caught, unsigned hide = kHideNothing);
void Report(const std::string& name, const State& before, const Caught& caught, unsigned hide = kHideNothing);

// Puts the same results of many numbered tries together: `NAME 0x0-0x3: ...`.
class Ranges {
 public:
  explicit Ranges(std::string name) : name_(std::move(name)) {}
  ~Ranges() { Flush(); }
  Ranges(const Ranges&) = delete;
  Ranges& operator=(const Ranges&) = delete;
  void Add(uint64_t number, std::string result);

 private:
  void Flush();
  std::string name_, result_;
  uint64_t first_ = 0, last_ = 0;
  bool any_ = false;
};

uint64_t Hash(const void* data, size_t size, uint64_t seed = 0);
uint64_t HashPages(uint64_t address, size_t pages, uint64_t seed = 0);

}  // namespace hostile

#endif  // TEST_HOSTILE_OUTPUT_H_
