// Intrusive reference counts, for objects with truly shared ownership (Task,
// Dentry, Mount, FileDescription, MemoryManager). unique_ptr comes first.
#ifndef BASE_REF_PTR_H_
#define BASE_REF_PTR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/check.h"

namespace base {

// Base of a counted class. Starts at one reference, owned by MakeRef's result.
// The destructor is virtual and runs on the thread that drops the last one.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void IncRef() const { count_.fetch_add(1, std::memory_order_relaxed); }
  void DecRef() const {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) const_cast<RefCounted*>(this)->LastRefDropped();
  }
  // For look-ups in tables that hold no reference: false once the count is 0,
  // when the object is about to take itself out of the table.
  [[nodiscard]] bool TryIncRef() const {
    uint32_t n = count_.load(std::memory_order_relaxed);
    while (n != 0) {
      if (count_.compare_exchange_weak(n, n + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }
  // Only a hint while others hold references.
  uint32_t ref_count() const { return count_.load(std::memory_order_acquire); }

 protected:
  virtual ~RefCounted() = default;
  // For a class that must leave some table while it is still whole, before its
  // most derived destructor begins. Ends in the base's.
  virtual void LastRefDropped() { delete this; }

 private:
  mutable std::atomic<uint32_t> count_{1};
};

template <typename T>
class RefPtr {
 public:
  RefPtr() = default;
  RefPtr(std::nullptr_t) {}  // NOLINT
  // Takes a new reference.
  explicit RefPtr(T* p) : p_(p) {
    if (p_) p_->IncRef();
  }
  RefPtr(const RefPtr& o) : RefPtr(o.p_) {}
  RefPtr(RefPtr&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  template <typename U>
  RefPtr(const RefPtr<U>& o) : RefPtr(static_cast<T*>(o.get())) {}  // NOLINT
  template <typename U>
  RefPtr(RefPtr<U>&& o) noexcept : p_(o.release()) {}  // NOLINT
  ~RefPtr() {
    if (p_) p_->DecRef();
  }
  RefPtr& operator=(RefPtr o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }

  // Adopts the reference that the caller owns.
  static RefPtr Adopt(T* p) {
    RefPtr r;
    r.p_ = p;
    return r;
  }

  T* get() const { return p_; }
  T* release() { return std::exchange(p_, nullptr); }
  void reset() { *this = RefPtr(); }
  T& operator*() const { return *p_; }
  T* operator->() const { return p_; }
  explicit operator bool() const { return p_ != nullptr; }
  friend bool operator==(const RefPtr& a, const RefPtr& b) { return a.p_ == b.p_; }
  friend bool operator==(const RefPtr& a, std::nullptr_t) { return a.p_ == nullptr; }

 private:
  T* p_ = nullptr;
};

template <typename T, typename... Args>
RefPtr<T> MakeRef(Args&&... args) {
  return RefPtr<T>::Adopt(new T(std::forward<Args>(args)...));
}

}  // namespace base

#endif  // BASE_REF_PTR_H_
