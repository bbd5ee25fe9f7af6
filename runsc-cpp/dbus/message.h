// D-Bus messages and their bytes, as far as systemd's interface needs them.
#ifndef RUNSC_CPP_DBUS_MESSAGE_H_
#define RUNSC_CPP_DBUS_MESSAGE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace runsc::dbus {

struct ObjectPath {
  std::string path;
  bool operator==(const ObjectPath&) const = default;
};

// The contents of a variant. Bytes are an array of them ("ay").
struct Bytes {
  std::string bytes;
  bool operator==(const Bytes&) const = default;
};
using Value = std::variant<bool, int32_t, uint32_t, int64_t, uint64_t, double, std::string, ObjectPath, Bytes,
                           std::vector<std::string>, std::vector<uint32_t>>;
std::string_view SignatureOf(const Value& value);

using Property = std::pair<std::string, Value>;

// Builds a body. Values are aligned to their size, as the wire wants it;
// the caller keeps the order that its signature says.
class BodyWriter {
 public:
  void Put(const Value& value);
  void PutByte(uint8_t byte) { bytes_.push_back(static_cast<char>(byte)); }
  void PutString(absl::string_view text);
  void PutSignature(absl::string_view signature);
  void PutVariant(const Value& value);
  // Of elements that are aligned to `alignment`. To be closed in reverse order.
  struct ArrayMark {
    size_t length_at, start;
  };
  ArrayMark BeginArray(size_t alignment);
  void EndArray(ArrayMark mark);
  void Align(size_t to) { bytes_.resize((bytes_.size() + to - 1) / to * to); }
  void BeginStruct() { Align(8); }
  // a(sv)
  void PutProperties(const std::vector<Property>& properties);

  const std::string& bytes() const { return bytes_; }

 private:
  template <typename T>
  void PutNumber(T value);
  std::string bytes_;
};

// Reads a body (or header) of unknown origin: after the first thing that does
// not fit, all that is read is empty and ok() false.
class BodyReader {
 public:
  // Alignment counts from the beginning of `bytes`, wherever reading starts.
  explicit BodyReader(absl::string_view bytes, size_t at = 0) : bytes_(bytes), at_(at) {}

  uint8_t Byte();
  uint32_t Uint32();
  std::string String();  // an object path too
  std::string Signature();
  // Basic types only; others make the reader fail.
  Value Variant();
  void Align(size_t to);
  // Where an array of elements aligned to `alignment` ends.
  size_t BeginArray(size_t alignment);
  size_t position() const { return at_; }
  bool ok() const { return ok_; }

 private:
  template <typename T>
  T Number();
  absl::string_view Take(size_t n);
  void Fail();

  absl::string_view bytes_;
  size_t at_;
  bool ok_ = true;
};

enum class MessageType : uint8_t { kInvalid = 0, kMethodCall = 1, kMethodReturn = 2, kError = 3, kSignal = 4 };

struct Message {
  MessageType type = MessageType::kMethodCall;
  uint32_t serial = 0;
  uint32_t reply_serial = 0;
  std::string path, interface, member, error_name, destination, sender, signature;
  std::string body;
};

std::string Encode(const Message& message);

// The whole length of a message that begins with `head` (kHeadBytes at least);
// an error for what is none, or longer than we take.
inline constexpr size_t kHeadBytes = 16;
absl::StatusOr<size_t> MessageLength(absl::string_view head);
absl::StatusOr<Message> Decode(absl::string_view bytes);

}  // namespace runsc::dbus

#endif  // RUNSC_CPP_DBUS_MESSAGE_H_
