// The same numbers from the same seed, everywhere.
#ifndef TEST_HOSTILE_RANDOM_H_
#define TEST_HOSTILE_RANDOM_H_

#include <cstddef>
#include <cstdint>

namespace hostile {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) { state_ = Next() ^ (seed << 32); }
  uint64_t Next() {  // splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t end) { return Next() % end; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  template <typename T, size_t kSize>
  const T& Of(const T (&list)[kSize]) {
    return list[Below(kSize)];
  }

 private:
  uint64_t state_;
};

}  // namespace hostile

#endif  // TEST_HOSTILE_RANDOM_H_
