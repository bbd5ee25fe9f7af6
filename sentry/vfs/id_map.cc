#include "sentry/vfs/id_map.h"

namespace sentry {

using base::Errno;
using base::Result;

namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void SkipSpaces(std::string_view& text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
}

// Linux's simple_strtoul, which takes what digits there are and wraps.
uint32_t TakeNumber(std::string_view& text) {
  uint64_t value = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    value = value * 10 + static_cast<uint64_t>(text.front() - '0');
    text.remove_prefix(1);
  }
  return static_cast<uint32_t>(value);
}

Result<IdMap::Extent> ParseLine(std::string_view line) {
  IdMap::Extent extent;
  SkipSpaces(line);
  extent.first = TakeNumber(line);
  if (line.empty() || !IsSpace(line.front())) return Errno::kEINVAL;
  SkipSpaces(line);
  extent.lower = TakeNumber(line);
  if (line.empty() || !IsSpace(line.front())) return Errno::kEINVAL;
  SkipSpaces(line);
  extent.count = TakeNumber(line);
  if (!line.empty() && !IsSpace(line.front())) return Errno::kEINVAL;
  SkipSpaces(line);
  if (!line.empty()) return Errno::kEINVAL;
  if (extent.first == kInvalidId || extent.lower == kInvalidId) return Errno::kEINVAL;
  if (extent.first + extent.count <= extent.first || extent.lower + extent.count <= extent.lower) {
    return Errno::kEINVAL;  // empty, or around the end
  }
  return extent;
}

bool Meet(uint32_t a, uint32_t b, uint32_t a_count, uint32_t b_count) {
  return a < b + b_count && b < a + a_count;  // neither wraps
}

}  // namespace

IdMap IdMap::Identity() {
  IdMap map;
  map.extents_.push_back({0, 0, UINT32_MAX});
  return map;
}

bool IdMap::Overlaps(const Extent& e) const {
  for (const Extent& old : extents_) {
    if (Meet(old.first, e.first, old.count, e.count) || Meet(old.lower, e.lower, old.count, e.count)) return true;
  }
  return false;
}

Result<IdMap> IdMap::Parse(std::string_view text) {
  IdMap map;
  text = text.substr(0, text.find('\0'));
  while (true) {
    const size_t end = text.find('\n');
    const Extent extent = TRY(ParseLine(text.substr(0, end)));
    const bool more = end != std::string_view::npos && end + 1 < text.size();
    if (map.Overlaps(extent) || (map.extents_.size() + 1 == kMaxExtents && more)) return Errno::kEINVAL;
    map.extents_.push_back(extent);
    if (!more) return map;
    text.remove_prefix(end + 1);
  }
}

uint32_t IdMap::DownRange(uint32_t id, uint32_t count) const {
  for (const Extent& e : extents_) {
    if (id >= e.first && id - e.first < e.count && count - 1 < e.count - (id - e.first))
      return e.lower + (id - e.first);
  }
  return kInvalidId;
}

uint32_t IdMap::Up(uint32_t id) const {
  for (const Extent& e : extents_) {
    if (id >= e.lower && id - e.lower < e.count) return e.first + (id - e.lower);
  }
  return kInvalidId;
}

Result<IdMap> IdMap::Through(const IdMap& parent) const {
  IdMap kept = *this;
  for (Extent& e : kept.extents_) {
    e.lower = parent.DownRange(e.lower, e.count);
    if (e.lower == kInvalidId) return Errno::kEPERM;
  }
  return kept;
}

}  // namespace sentry
