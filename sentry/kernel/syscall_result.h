// What a system call handler returns, and what a blocking step inside one does.
//
// A handler is `SyscallResult SysFoo(Task&, ...)`. TRY works on Result<T> and on
// Interruptible<T> alike: both errors convert to a SyscallResult.
#ifndef SENTRY_KERNEL_SYSCALL_RESULT_H_
#define SENTRY_KERNEL_SYSCALL_RESULT_H_

#include <cstdint>
#include <utility>
#include <variant>

#include "base/result.h"

namespace sentry {

using base::Errno;
using base::Ok;
using base::Result;

// How an interrupted call goes on; resolved at system call exit, never seen by
// the guest. Linux's ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND and
// ERESTART_RESTARTBLOCK.
enum class Restart : uint8_t {
  kSys,     // restart if no handler runs or it has SA_RESTART; else EINTR
  kNoIntr,  // restart in any case
  kNoHand,  // restart only if no handler runs; else EINTR
  kBlock,   // go on by restart_syscall(2) with Task::restart_block; EINTR if a handler runs
};

class SyscallError {
 public:
  SyscallError(Errno e) : v_(e) {}    // NOLINT: implicit by design
  SyscallError(Restart r) : v_(r) {}  // NOLINT
  const Errno* errno_if() const { return std::get_if<Errno>(&v_); }
  const Restart* restart_if() const { return std::get_if<Restart>(&v_); }

 private:
  std::variant<Errno, Restart> v_;
};

// A value, an errno, or "a signal came first".
template <typename T>
class [[nodiscard]] Interruptible {
 public:
  Interruptible(Errno e) : v_(SyscallError(e)) {}    // NOLINT
  Interruptible(Restart r) : v_(SyscallError(r)) {}  // NOLINT
  Interruptible(SyscallError e) : v_(e) {}           // NOLINT
  Interruptible(T value) : v_(std::move(value)) {}   // NOLINT
  Interruptible(Result<T> r)
      : v_(r.ok() ? decltype(v_)(std::move(r).value()) : decltype(v_)(SyscallError(r.error()))) {}  // NOLINT
  bool ok() const { return v_.index() == 0; }
  const SyscallError& error() const { return *std::get_if<1>(&v_); }
  bool interrupted() const { return !ok() && error().restart_if() != nullptr; }
  T& value() & { return *std::get_if<0>(&v_); }
  T&& value() && { return std::move(*std::get_if<0>(&v_)); }

 private:
  std::variant<T, SyscallError> v_;
};

// The registers (or the whole task) were replaced: execve, rt_sigreturn, exit.
struct NoReturn {};

class [[nodiscard]] SyscallResult {
 public:
  SyscallResult(uint64_t value) : v_(value) {}                                          // NOLINT: implicit by design
  SyscallResult(int64_t value) : v_(static_cast<uint64_t>(value)) {}                    // NOLINT
  SyscallResult(int value) : v_(static_cast<uint64_t>(static_cast<int64_t>(value))) {}  // NOLINT
  SyscallResult(uint32_t value) : v_(static_cast<uint64_t>(value)) {}                   // NOLINT
  SyscallResult(Errno e) : v_(SyscallError(e)) {}                                       // NOLINT
  SyscallResult(Restart r) : v_(SyscallError(r)) {}                                     // NOLINT
  SyscallResult(SyscallError e) : v_(e) {}                                              // NOLINT
  SyscallResult(NoReturn n) : v_(n) {}                                                  // NOLINT
  SyscallResult(const Result<void>& r)
      : v_(r.ok() ? decltype(v_)(uint64_t{0}) : decltype(v_)(SyscallError(r.error()))) {}  // NOLINT
  template <typename T>
  requires std::is_integral_v<T> SyscallResult(const Result<T>& r)  // NOLINT
      : v_(r.ok() ? decltype(v_)(static_cast<uint64_t>(r.value())) : decltype(v_)(SyscallError(r.error()))) {}
  template <typename T>
  requires std::is_integral_v<T> SyscallResult(Interruptible<T> r)  // NOLINT
      : v_(r.ok() ? decltype(v_)(static_cast<uint64_t>(r.value())) : decltype(v_)(r.error())) {}

  const uint64_t* value_if() const { return std::get_if<uint64_t>(&v_); }
  const SyscallError* error_if() const { return std::get_if<SyscallError>(&v_); }
  bool is_no_return() const { return std::holds_alternative<NoReturn>(v_); }

 private:
  std::variant<uint64_t, SyscallError, NoReturn> v_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_SYSCALL_RESULT_H_
