// From registers to typed arguments (DESIGN 8).
//
// A handler is a free function `SyscallResult SysFoo(Task&, Fd fd, UserPath path,
// uint32_t mode)`. kThunk<&SysFoo> converts each register once, by
// FromRegister<T>; the same parameter list tells strace how to print the call.
#ifndef SENTRY_SYSCALLS_DISPATCH_H_
#define SENTRY_SYSCALLS_DISPATCH_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sentry/kernel/syscall_result.h"
#include "sentry/kernel/task.h"
#include "sentry/syscalls/arg_types.h"

namespace sentry {

using SyscallArgs = std::array<uint64_t, 6>;

// Truncation and sign extension happen here and nowhere else: the kernel reads
// an int argument from the low 32 bits of its register.
template <typename T>
struct FromRegister;
template <typename T>
requires std::is_integral_v<T>
struct FromRegister<T> {
  static constexpr T Convert(uint64_t reg) { return static_cast<T>(reg); }
};
// Strong types wrap one integer and say so with `using Raw = ...`.
template <typename T>
requires requires { typename T::Raw; }
struct FromRegister<T> {
  static constexpr T Convert(uint64_t reg) { return T{static_cast<typename T::Raw>(reg)}; }
};
template <>
struct FromRegister<UserAddr> {
  static constexpr UserAddr Convert(uint64_t reg) { return UserAddr(reg); }
};
template <>
struct FromRegister<UserPath> {
  static constexpr UserPath Convert(uint64_t reg) { return UserPath(UserAddr(reg)); }
};
template <typename T>
struct FromRegister<UserIn<T>> {
  static constexpr UserIn<T> Convert(uint64_t reg) { return UserIn<T>(UserAddr(reg)); }
};
template <typename T>
struct FromRegister<UserOut<T>> {
  static constexpr UserOut<T> Convert(uint64_t reg) { return UserOut<T>(UserAddr(reg)); }
};
template <typename T>
struct FromRegister<UserInOut<T>> {
  static constexpr UserInOut<T> Convert(uint64_t reg) { return UserInOut<T>(UserAddr(reg)); }
};

namespace internal {

template <typename... Params>
struct ParamList {
  static_assert(sizeof...(Params) <= 6, "a system call has at most six arguments");
  template <auto Fn, size_t... I>
  static SyscallResult Call(Task& task, const SyscallArgs& args, std::index_sequence<I...>) {
    (void)args;
    return Fn(task, FromRegister<Params>::Convert(args[I])...);
  }
  template <size_t... I>
  static void Print(Task& task, const SyscallArgs& args, std::string& out, std::index_sequence<I...>) {
    (void)task, (void)args;
    size_t n = 0;
    ((out += n++ == 0 ? "" : ", ", PrintArg(task, FromRegister<Params>::Convert(args[I]), out)), ...);
  }
};
template <typename... Params>
ParamList<Params...> ParamsOf(SyscallResult (*)(Task&, Params...));
template <typename... Params>
constexpr size_t CountOf(SyscallResult (*)(Task&, Params...)) {
  return sizeof...(Params);
}

}  // namespace internal

using SyscallFn = SyscallResult (*)(Task&, const SyscallArgs&);
using PrintFn = void (*)(Task&, const SyscallArgs&, std::string&);

template <auto Fn>
SyscallResult Thunk(Task& task, const SyscallArgs& args) {
  using List = decltype(internal::ParamsOf(Fn));
  return List::template Call<Fn>(task, args, std::make_index_sequence<internal::CountOf(Fn)>());
}
template <auto Fn>
void PrintThunk(Task& task, const SyscallArgs& args, std::string& out) {
  using List = decltype(internal::ParamsOf(Fn));
  List::Print(task, args, out, std::make_index_sequence<internal::CountOf(Fn)>());
}

// --- The table ---
enum class Support : uint8_t {
  kFull,
  kPartial,  // `note` names the flags or cases that are missing
  kMissing,  // answered with `missing_errno` and counted
};

struct SyscallRow {
  uint16_t number;
  const char* name;
  Support support;
  SyscallFn call;       // null: missing
  PrintFn print;        // null: missing
  Errno missing_errno;  // what a kernel without the call says
  const char* note;
  bool steady = false;  // without arguments, and the same answer until Task::ForgetAnswers
};

// Every system call of x86-64, by number.
std::span<const SyscallRow> SyscallTable();
// Null for a number that Linux does not have either.
const SyscallRow* FindSyscall(uint64_t number);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_DISPATCH_H_
