#include "sentry/fs/gofer/look_ahead.h"

#include <algorithm>

#include "absl/strings/string_view.h"

namespace sentry {

LookAhead::LookAhead(std::vector<Name> names) {
  names_.reserve(names.size());
  for (Name& name : names) {
    index_.emplace(name.name, names_.size());
    names_.push_back({std::move(name)});
  }
}

std::vector<std::string> LookAhead::Plan(std::string_view name) {
  std::vector<std::string> wanted;
  wanted.emplace_back(name);
  const auto it = index_.find(absl::string_view(name.data(), name.size()));
  if (it == index_.end()) return wanted;
  Entry& first = names_[it->second];
  first.asked = true;
  for (size_t i = it->second + 1; i < names_.size() && wanted.size() < batch_; i++) {
    if (first.name.is_directory && !names_[i].name.is_directory) continue;
    if (!std::exchange(names_[i].asked, true)) wanted.push_back(names_[i].name.name);
  }
  batch_ = std::min(batch_ * kGrowth, kMaxBatch);
  return wanted;
}

void LookAhead::Put(std::string_view name, Found found) {
  found_.insert_or_assign(std::string(name), std::move(found));
}

std::optional<LookAhead::Found> LookAhead::Take(std::string_view name) {
  const auto it = found_.find(absl::string_view(name.data(), name.size()));
  if (it == found_.end()) return std::nullopt;
  std::optional<Found> found = std::move(it->second);
  found_.erase(it);
  return found;
}

}  // namespace sentry
