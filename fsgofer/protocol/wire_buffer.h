// Cursors over a message. Nothing here trusts a length that the peer wrote.
#ifndef FSGOFER_PROTOCOL_WIRE_BUFFER_H_
#define FSGOFER_PROTOCOL_WIRE_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "fsgofer/protocol/wire.h"

namespace fsgofer {

// Reads what a peer sent, front to back. The bytes must be the reader's own
// copy (CopyOut), so that a check holds for as long as they do.
class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <WireStruct T>
  [[nodiscard]] bool Get(T* out) {
    if (rest_.size() < sizeof(T)) return false;
    std::memcpy(out, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return true;
  }
  [[nodiscard]] bool GetBytes(size_t n, std::string_view* out) {
    if (rest_.size() < n) return false;
    *out = {reinterpret_cast<const char*>(rest_.data()), n};
    rest_ = rest_.subspan(n);
    return true;
  }
  // A name with its 16-bit length. What it may hold is the caller's check.
  [[nodiscard]] bool GetName(std::string_view* out) {
    uint16_t n;
    return Get(&n) && GetBytes(n, out);
  }
  bool done() const { return rest_.empty(); }
  size_t remaining() const { return rest_.size(); }

 private:
  std::span<const std::byte> rest_;
};

// Appends to a buffer of fixed size, which may be memory shared with the peer:
// it is never read. An overflow sticks: test ok() at the end.
class WireWriter {
 public:
  explicit WireWriter(std::span<std::byte> buffer) : buffer_(buffer) {}

  template <WireStruct T>
  void Put(const T& value) {
    if (std::byte* p = Reserve(sizeof(T))) std::memcpy(p, &value, sizeof(T));
  }
  void PutBytes(std::string_view bytes) {
    std::byte* p = Reserve(bytes.size());
    if (p && !bytes.empty()) std::memcpy(p, bytes.data(), bytes.size());
  }
  void PutName(std::string_view name) {
    if (name.size() > UINT16_MAX) {
      ok_ = false;
      return;
    }
    Put(static_cast<uint16_t>(name.size()));
    PutBytes(name);
  }
  // Room to be filled by the caller; null when it does not fit.
  std::byte* Reserve(size_t n) {
    if (!ok_ || buffer_.size() - size_ < n) {
      ok_ = false;
      return nullptr;
    }
    std::byte* p = buffer_.data() + size_;
    size_ += n;
    return p;
  }
  // Writes over what stands at `offset`, which Put wrote before.
  template <WireStruct T>
  void Patch(size_t offset, const T& value) {
    if (ok_ && offset + sizeof(T) <= size_) std::memcpy(buffer_.data() + offset, &value, sizeof(T));
  }
  void Truncate(size_t size) { size_ = size < size_ ? size : size_; }
  void Clear() {
    size_ = 0;
    ok_ = true;
  }

  bool ok() const { return ok_; }
  size_t size() const { return size_; }
  size_t room() const { return ok_ ? buffer_.size() - size_ : 0; }

 private:
  std::span<std::byte> buffer_;
  size_t size_ = 0;
  bool ok_ = true;
};

// One component of a path, as either side may name it: never a way up.
inline bool ValidComponent(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}
inline bool ValidSymlinkTarget(std::string_view target) {
  return !target.empty() && target.size() <= kMaxSymlinkLength && target.find('\0') == std::string_view::npos;
}
inline bool ValidXattrName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxXattrName && name.find('\0') == std::string_view::npos;
}

}  // namespace fsgofer

#endif  // FSGOFER_PROTOCOL_WIRE_BUFFER_H_
