// Typed pointers into guest memory: direction and element type are part of the
// type, so a handler's signature says what it may do (DESIGN: "User memory").
//
//   SyscallResult SysUname(Task& t, UserOut<abi::UtsName> buf);
//
// Only types with no hidden bytes may cross (AbiSafe): padding is named.
#ifndef SENTRY_USERMEM_USER_PTR_H_
#define SENTRY_USERMEM_USER_PTR_H_

#include <concepts>
#include <span>
#include <type_traits>
#include <vector>

#include "sentry/usermem/user_memory.h"

namespace sentry {

template <typename T>
concept AbiSafe = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> &&
    (std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>);

template <AbiSafe T>
class UserIn {
 public:
  constexpr UserIn() = default;
  constexpr explicit UserIn(UserAddr addr) : addr_(addr) {}
  UserAddr addr() const { return addr_; }
  explicit operator bool() const { return !addr_.is_null(); }

  Result<T> Read(UserMemory& mem) const {
    T value;
    TRY(CopyInFull(mem, addr_, std::as_writable_bytes(std::span(&value, 1))));
    return value;
  }
  // `count` elements; the caller has bounded `count`.
  Result<std::vector<T>> ReadArray(UserMemory& mem, size_t count) const {
    std::vector<T> values(count);
    TRY(CopyInFull(mem, addr_, std::as_writable_bytes(std::span(values))));
    return values;
  }

 private:
  UserAddr addr_;
};

template <AbiSafe T>
class UserOut {
 public:
  constexpr UserOut() = default;
  constexpr explicit UserOut(UserAddr addr) : addr_(addr) {}
  UserAddr addr() const { return addr_; }
  explicit operator bool() const { return !addr_.is_null(); }

  Result<void> Write(UserMemory& mem, const T& value) const {
    return CopyOutFull(mem, addr_, std::as_bytes(std::span(&value, 1)));
  }
  Result<void> WriteArray(UserMemory& mem, std::span<const T> values) const {
    return CopyOutFull(mem, addr_, std::as_bytes(values));
  }

 private:
  UserAddr addr_;
};

// Read and written by one call (clone_args' size, msghdr, timeval of select).
template <AbiSafe T>
class UserInOut {
 public:
  constexpr UserInOut() = default;
  constexpr explicit UserInOut(UserAddr addr) : addr_(addr) {}
  UserAddr addr() const { return addr_; }
  explicit operator bool() const { return !addr_.is_null(); }
  Result<T> Read(UserMemory& mem) const { return UserIn<T>(addr_).Read(mem); }
  Result<void> Write(UserMemory& mem, const T& value) const { return UserOut<T>(addr_).Write(mem, value); }

 private:
  UserAddr addr_;
};

// A path argument: a NUL-terminated string of at most PATH_MAX bytes.
class UserPath {
 public:
  constexpr UserPath() = default;
  constexpr explicit UserPath(UserAddr addr) : addr_(addr) {}
  UserAddr addr() const { return addr_; }
  explicit operator bool() const { return !addr_.is_null(); }
  Result<std::string> Read(UserMemory& mem) const { return CopyInString(mem, addr_, 4096); }

 private:
  UserAddr addr_;
};

}  // namespace sentry

#endif  // SENTRY_USERMEM_USER_PTR_H_
