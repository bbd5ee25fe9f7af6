#include "runsc-cpp/shim/frame.h"

#include <algorithm>

#include "base/check.h"

namespace runsc::shim {
namespace {

void PutBigEndian(std::string& out, uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(value >> shift));
}

uint32_t GetBigEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

std::string EncodeFrame(uint32_t stream, FrameType type, absl::string_view data) {
  CHECK(data.size() <= kMaxFrameData);
  std::string out;
  out.reserve(kFrameHeader + data.size());
  PutBigEndian(out, static_cast<uint32_t>(data.size()));
  PutBigEndian(out, stream);
  out.push_back(static_cast<char>(type));
  out.push_back(0);
  out.append(data.data(), data.size());
  return out;
}

bool FrameReader::ReadHeader(absl::string_view& bytes) {
  const size_t take = std::min(kFrameHeader - header_.size(), bytes.size());
  header_.append(bytes.data(), take);
  bytes.remove_prefix(take);
  if (header_.size() < kFrameHeader) return false;
  left_ = GetBigEndian(header_);
  frame_ = Frame();
  frame_.stream = GetBigEndian(absl::string_view(header_).substr(4));
  frame_.type = static_cast<FrameType>(header_[8]);
  frame_.flags = static_cast<uint8_t>(header_[9]);
  frame_.too_long = left_ > kMaxFrameData;
  header_.clear();
  in_data_ = true;
  return true;
}

bool FrameReader::Read(absl::string_view& bytes) {
  if (!in_data_ && !ReadHeader(bytes)) return false;
  const size_t take = std::min(left_, bytes.size());
  if (!frame_.too_long) frame_.data.append(bytes.data(), take);
  bytes.remove_prefix(take);
  left_ -= take;
  if (left_ > 0) return false;
  in_data_ = false;
  return true;
}

}  // namespace runsc::shim
