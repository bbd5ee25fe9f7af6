// Loads, stores and calls at addresses that may be gone any time, from any thread.
#ifndef TEST_HOSTILE_PROBE_H_
#define TEST_HOSTILE_PROBE_H_

#include <time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

namespace hostile {

// Handlers for what the functions below run into. Once.
void InitProbes();

std::optional<uint64_t> TryLoad(const volatile void* at);
bool TryIncrement(volatile void* at);
// Of a function without arguments that returns a number.
std::optional<uint64_t> TryCall(const volatile void* at);

uint64_t NowNs();
void SpinNs(uint64_t ns);

// Runs `body` again and again on some threads until the end of its scope.
class Crowd {
 public:
  Crowd(int threads, std::function<void()> body);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

// Counts what must not happen; says the sum, which is the same each time if it is none.
class Violations {
 public:
  explicit Violations(const char* name) : name_(name) {}
  ~Violations();
  Violations(const Violations&) = delete;
  Violations& operator=(const Violations&) = delete;
  void Add(uint64_t expected, uint64_t got);
  void Check(bool good) {
    if (!good) Add(1, 0);
  }

 private:
  const char* name_;
  std::atomic<uint64_t> count_ = 0, expected_ = 0, got_ = 0;
};

}  // namespace hostile

#endif  // TEST_HOSTILE_PROBE_H_
