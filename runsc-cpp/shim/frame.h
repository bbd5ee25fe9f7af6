// ttrpc's frames: ten bytes of header (length and stream big-endian, type, flags), then data.
#ifndef RUNSC_CPP_SHIM_FRAME_H_
#define RUNSC_CPP_SHIM_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace runsc::shim {

inline constexpr size_t kFrameHeader = 10;
inline constexpr size_t kMaxFrameData = 4 << 20;

enum class FrameType : uint8_t { kRequest = 1, kResponse = 2, kData = 3 };
inline constexpr uint8_t kFlagRemoteOpen = 2;  // of a request: more data will come

struct Frame {
  uint32_t stream = 0;
  FrameType type = FrameType::kRequest;
  uint8_t flags = 0;
  bool too_long = false;  // its data were longer than kMaxFrameData, and are gone
  std::string data;
};

// `data` must not be longer than kMaxFrameData.
std::string EncodeFrame(uint32_t stream, FrameType type, absl::string_view data);

// Takes frames out of a byte stream. Holds no more than one frame, and of one that is too long nothing.
class FrameReader {
 public:
  // Takes some of `bytes` and removes it from there. True: `frame()` is a whole one, until the next call.
  bool Read(absl::string_view& bytes);
  Frame& frame() { return frame_; }

 private:
  bool ReadHeader(absl::string_view& bytes);

  Frame frame_;
  std::string header_;
  size_t left_ = 0;  // of the data
  bool in_data_ = false;
};

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_FRAME_H_
