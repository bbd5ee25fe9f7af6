// Argument types of system calls, and how strace prints each.
#ifndef SENTRY_SYSCALLS_ARG_TYPES_H_
#define SENTRY_SYSCALLS_ARG_TYPES_H_

#include <cstdint>
#include <string>
#include <type_traits>

#include "sentry/usermem/user_ptr.h"

namespace sentry {

class Task;

struct Fd {
  using Raw = int32_t;
  int32_t value;
};
// A directory descriptor of the *at calls: AT_FDCWD or a number.
struct DirFd {
  using Raw = int32_t;
  int32_t value;
};
struct OpenFlags {
  using Raw = uint32_t;
  uint32_t value;
};
struct FileMode {
  using Raw = uint32_t;
  uint32_t value;
};
struct SignalNumber {
  using Raw = int32_t;
  int32_t value;
};
struct MmapProt {
  using Raw = uint64_t;
  uint64_t value;
};
struct MmapFlags {
  using Raw = uint64_t;
  uint64_t value;
};
// Flags without a table of names: printed in hex.
struct HexFlags {
  using Raw = uint64_t;
  uint64_t value;
};
// A count of bytes.
struct Size {
  using Raw = uint64_t;
  uint64_t value;
};

// One overload an argument type (strace.cc). They copy from the guest with
// bounds and never fail: what can't be read prints as an address.
void PrintArg(Task& task, Fd fd, std::string& out);
void PrintArg(Task& task, DirFd fd, std::string& out);
void PrintArg(Task& task, OpenFlags flags, std::string& out);
void PrintArg(Task& task, FileMode mode, std::string& out);
void PrintArg(Task& task, SignalNumber signal, std::string& out);
void PrintArg(Task& task, MmapProt prot, std::string& out);
void PrintArg(Task& task, MmapFlags flags, std::string& out);
void PrintArg(Task& task, HexFlags flags, std::string& out);
void PrintArg(Task& task, Size size, std::string& out);
void PrintArg(Task& task, UserPath path, std::string& out);
void PrintArg(Task& task, UserAddr addr, std::string& out);
void PrintSigned(int64_t value, std::string& out);
void PrintUnsigned(uint64_t value, std::string& out);
template <typename T>
requires std::is_integral_v<T>
void PrintArg(Task&, T value, std::string& out) {
  if constexpr (std::is_signed_v<T>) {
    PrintSigned(value, out);
  } else {
    PrintUnsigned(value, out);
  }
}
template <typename T>
void PrintArg(Task& task, UserIn<T> p, std::string& out) {
  PrintArg(task, p.addr(), out);
}
template <typename T>
void PrintArg(Task& task, UserOut<T> p, std::string& out) {
  PrintArg(task, p.addr(), out);
}
template <typename T>
void PrintArg(Task& task, UserInOut<T> p, std::string& out) {
  PrintArg(task, p.addr(), out);
}

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_ARG_TYPES_H_
