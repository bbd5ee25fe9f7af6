// Result<T>: a value or an Errno. The only error type inside the kernel.
//
//   Result<size_t> Read(...);
//   size_t n = TRY(Read(...));   // returns the error to the caller, if any
//
// An error costs a number and no allocation. Outside the sentry, where an error
// needs words, absl::Status is used instead.
#ifndef BASE_RESULT_H_
#define BASE_RESULT_H_

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/errno.h"

namespace base {

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(Errno e) : v_(std::in_place_index<1>, e) {}  // NOLINT: implicit by design
  template <typename U = T,
            typename = std::enable_if_t<std::is_convertible_v<U&&, T> && !std::is_same_v<std::decay_t<U>, Result> &&
                                        !std::is_same_v<std::decay_t<U>, Errno>>>
  Result(U&& v) : v_(std::in_place_index<0>, std::forward<U>(v)) {}  // NOLINT

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  Errno error() const {
    CHECK(!ok());
    return *std::get_if<1>(&v_);
  }
  T& value() & {
    CHECK(ok());
    return *std::get_if<0>(&v_);
  }
  const T& value() const& {
    CHECK(ok());
    return *std::get_if<0>(&v_);
  }
  T&& value() && {
    CHECK(ok());
    return std::move(*std::get_if<0>(&v_));
  }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  bool Is(Errno e) const { return !ok() && error() == e; }

 private:
  std::variant<T, Errno> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Errno e) : e_(e) {}  // NOLINT: implicit by design
  bool ok() const { return !e_.has_value(); }
  explicit operator bool() const { return ok(); }
  Errno error() const {
    CHECK(!ok());
    return *e_;
  }
  void value() const { CHECK(ok()); }
  bool Is(Errno e) const { return e_ == e; }

 private:
  std::optional<Errno> e_;
};

// What `return Ok();` reads as in a function that returns Result<void>.
inline Result<void> Ok() { return {}; }

}  // namespace base

// The one propagate macro. A GNU statement expression, so that it can stand in
// an initialiser; the error type converts to any Result<U>.
#define TRY(expr)                       \
  ({                                    \
    auto&& try_result_ = (expr);        \
    if (!try_result_.ok()) [[unlikely]] \
      return try_result_.error();       \
    std::move(try_result_).value();     \
  })

#endif  // BASE_RESULT_H_
