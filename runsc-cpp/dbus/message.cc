#include "runsc-cpp/dbus/message.h"

#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"

namespace runsc::dbus {
namespace {

constexpr char kLittleEndian = 'l';
constexpr uint8_t kVersion = 1;
// The protocol allows 128 MiB; what systemd answers us is far below.
constexpr size_t kMaxMessage = 4 << 20;

// Header fields.
enum Field : uint8_t {
  kPath = 1,
  kInterface = 2,
  kMember = 3,
  kErrorName = 4,
  kReplySerial = 5,
  kDestination = 6,
  kSender = 7,
  kSignature = 8,
};

struct SignatureVisitor {
  std::string_view operator()(bool) const { return "b"; }
  std::string_view operator()(int32_t) const { return "i"; }
  std::string_view operator()(uint32_t) const { return "u"; }
  std::string_view operator()(int64_t) const { return "x"; }
  std::string_view operator()(uint64_t) const { return "t"; }
  std::string_view operator()(double) const { return "d"; }
  std::string_view operator()(const std::string&) const { return "s"; }
  std::string_view operator()(const ObjectPath&) const { return "o"; }
  std::string_view operator()(const Bytes&) const { return "ay"; }
  std::string_view operator()(const std::vector<std::string>&) const { return "as"; }
  std::string_view operator()(const std::vector<uint32_t>&) const { return "au"; }
};

}  // namespace

std::string_view SignatureOf(const Value& value) { return std::visit(SignatureVisitor{}, value); }

template <typename T>
void BodyWriter::PutNumber(T value) {
  Align(sizeof value);
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes_.append(raw, sizeof value);
}

void BodyWriter::PutString(absl::string_view text) {
  PutNumber(static_cast<uint32_t>(text.size()));
  bytes_.append(text.data(), text.size());
  bytes_.push_back('\0');
}

void BodyWriter::PutSignature(absl::string_view signature) {
  bytes_.push_back(static_cast<char>(signature.size()));
  bytes_.append(signature.data(), signature.size());
  bytes_.push_back('\0');
}

BodyWriter::ArrayMark BodyWriter::BeginArray(size_t alignment) {
  PutNumber(uint32_t{0});
  const size_t length_at = bytes_.size() - sizeof(uint32_t);
  Align(alignment);
  return {length_at, bytes_.size()};
}

void BodyWriter::EndArray(ArrayMark mark) {
  const uint32_t length = static_cast<uint32_t>(bytes_.size() - mark.start);
  std::memcpy(bytes_.data() + mark.length_at, &length, sizeof length);
}

void BodyWriter::Put(const Value& value) {
  struct Visitor {
    BodyWriter& w;
    void operator()(bool v) { w.PutNumber(uint32_t{v}); }
    void operator()(int32_t v) { w.PutNumber(v); }
    void operator()(uint32_t v) { w.PutNumber(v); }
    void operator()(int64_t v) { w.PutNumber(v); }
    void operator()(uint64_t v) { w.PutNumber(v); }
    void operator()(double v) { w.PutNumber(v); }
    void operator()(const std::string& v) { w.PutString(v); }
    void operator()(const ObjectPath& v) { w.PutString(v.path); }
    void operator()(const Bytes& v) {
      const ArrayMark mark = w.BeginArray(1);
      w.bytes_ += v.bytes;
      w.EndArray(mark);
    }
    void operator()(const std::vector<std::string>& v) {
      const ArrayMark mark = w.BeginArray(4);
      for (const std::string& text : v) w.PutString(text);
      w.EndArray(mark);
    }
    void operator()(const std::vector<uint32_t>& v) {
      const ArrayMark mark = w.BeginArray(4);
      for (const uint32_t number : v) w.PutNumber(number);
      w.EndArray(mark);
    }
  };
  std::visit(Visitor{*this}, value);
}

void BodyWriter::PutVariant(const Value& value) {
  const std::string_view signature = SignatureOf(value);
  PutSignature(absl::string_view(signature.data(), signature.size()));
  Put(value);
}

void BodyWriter::PutProperties(const std::vector<Property>& properties) {
  const ArrayMark mark = BeginArray(8);
  for (const auto& [name, value] : properties) {
    BeginStruct();
    PutString(name);
    PutVariant(value);
  }
  EndArray(mark);
}

void BodyReader::Fail() {
  ok_ = false;
  at_ = bytes_.size();
}

absl::string_view BodyReader::Take(size_t n) {
  if (!ok_ || n > bytes_.size() - at_) {
    Fail();
    return {};
  }
  const absl::string_view taken = bytes_.substr(at_, n);
  at_ += n;
  return taken;
}

void BodyReader::Align(size_t to) { Take((to - at_ % to) % to); }

template <typename T>
T BodyReader::Number() {
  Align(sizeof(T));
  const absl::string_view raw = Take(sizeof(T));
  T value{};
  if (ok_) std::memcpy(&value, raw.data(), sizeof value);
  return value;
}

uint8_t BodyReader::Byte() { return Number<uint8_t>(); }
uint32_t BodyReader::Uint32() { return Number<uint32_t>(); }

std::string BodyReader::String() {
  const uint32_t size = Uint32();
  const absl::string_view text = Take(size);
  const absl::string_view end = Take(1);
  if (!ok_ || end[0] != '\0' || text.find('\0') != text.npos) {
    Fail();
    return "";
  }
  return std::string(text);
}

std::string BodyReader::Signature() {
  const uint8_t size = Byte();
  const absl::string_view text = Take(size);
  const absl::string_view end = Take(1);
  if (!ok_ || end[0] != '\0') {
    Fail();
    return "";
  }
  return std::string(text);
}

size_t BodyReader::BeginArray(size_t alignment) {
  const uint32_t length = Uint32();
  Align(alignment);
  if (!ok_ || length > bytes_.size() - at_) {
    Fail();
    return at_;
  }
  return at_ + length;
}

Value BodyReader::Variant() {
  const std::string signature = Signature();
  if (signature == "s" || signature == "g") return signature == "g" ? Signature() : String();
  if (signature == "o") return ObjectPath{String()};
  if (signature == "u") return Uint32();
  if (signature == "i") return Number<int32_t>();
  if (signature == "t") return Number<uint64_t>();
  if (signature == "x") return Number<int64_t>();
  if (signature == "d") return Number<double>();
  if (signature == "y") return uint32_t{Byte()};
  if (signature == "b") return Uint32() != 0;
  Fail();
  return uint32_t{0};
}

std::string Encode(const Message& m) {
  BodyWriter w;
  const char head[] = {kLittleEndian, static_cast<char>(m.type), 0, static_cast<char>(kVersion)};
  std::string bytes(head, sizeof head);
  w.Put(static_cast<uint32_t>(m.body.size()));
  w.Put(m.serial);
  BodyWriter fields;
  const auto put = [&](Field field, const Value& value) {
    fields.BeginStruct();
    fields.PutByte(field);
    fields.PutVariant(value);
  };
  if (!m.path.empty()) put(kPath, ObjectPath{m.path});
  if (!m.destination.empty()) put(kDestination, m.destination);
  if (!m.interface.empty()) put(kInterface, m.interface);
  if (!m.member.empty()) put(kMember, m.member);
  if (!m.error_name.empty()) put(kErrorName, m.error_name);
  if (m.reply_serial != 0) put(kReplySerial, m.reply_serial);
  if (!m.sender.empty()) put(kSender, m.sender);
  if (!m.signature.empty()) {
    fields.BeginStruct();
    fields.PutByte(kSignature);
    fields.PutSignature("g");
    fields.PutSignature(m.signature);
  }
  // The fields begin at offset 16, a multiple of 8: their alignment is their own.
  w.Put(static_cast<uint32_t>(fields.bytes().size()));
  fields.Align(8);
  return absl::StrCat(bytes, w.bytes(), fields.bytes(), m.body);
}

absl::StatusOr<size_t> MessageLength(absl::string_view head) {
  if (head.size() < kHeadBytes || head[0] != kLittleEndian || head[3] != kVersion) {
    return absl::DataLossError("D-Bus: not a little-endian message of version 1");
  }
  uint32_t body, fields;
  std::memcpy(&body, head.data() + 4, sizeof body);
  std::memcpy(&fields, head.data() + 12, sizeof fields);
  if (body > kMaxMessage || fields > kMaxMessage) {
    return absl::DataLossError(absl::StrCat("D-Bus: a message of ", body, " bytes is too long"));
  }
  return kHeadBytes + (size_t{fields} + 7) / 8 * 8 + body;
}

absl::StatusOr<Message> Decode(absl::string_view bytes) {
  const auto length = MessageLength(bytes);
  if (!length.ok()) return length.status();
  if (bytes.size() != *length) return absl::DataLossError("D-Bus: a message of another length than it says");
  Message m;
  const uint8_t type = static_cast<uint8_t>(bytes[1]);
  m.type = type <= static_cast<uint8_t>(MessageType::kSignal) ? static_cast<MessageType>(type) : MessageType::kInvalid;
  std::memcpy(&m.serial, bytes.data() + 8, sizeof m.serial);
  BodyReader r(bytes, kHeadBytes - sizeof(uint32_t));
  const size_t end = r.BeginArray(8);
  while (r.ok() && r.position() < end) {
    r.Align(8);
    const uint8_t field = r.Byte();
    const Value value = r.Variant();
    const auto text = [&](std::string& to) {
      if (const auto* s = std::get_if<std::string>(&value)) to = *s;
      if (const auto* o = std::get_if<ObjectPath>(&value)) to = o->path;
    };
    if (field == kPath) text(m.path);
    if (field == kInterface) text(m.interface);
    if (field == kMember) text(m.member);
    if (field == kErrorName) text(m.error_name);
    if (field == kDestination) text(m.destination);
    if (field == kSender) text(m.sender);
    if (field == kSignature) text(m.signature);
    if (field == kReplySerial && std::holds_alternative<uint32_t>(value)) m.reply_serial = std::get<uint32_t>(value);
  }
  if (!r.ok() || r.position() != end) return absl::DataLossError("D-Bus: malformed header");
  uint32_t body;
  std::memcpy(&body, bytes.data() + 4, sizeof body);
  m.body = std::string(bytes.substr(bytes.size() - body));
  return m;
}

}  // namespace runsc::dbus
