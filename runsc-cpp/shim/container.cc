#include "runsc-cpp/shim/container.h"

#include "absl/strings/ascii.h"
#include "runsc-cpp/oci/json.h"
#include "runsc-cpp/shim/command.h"

namespace runsc::shim {
namespace {

const oci::JsonValue* Member(const oci::JsonValue* value, std::string_view name) {
  if (value == nullptr) return nullptr;
  for (const oci::JsonMember& member : value->members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

}  // namespace

void Queue::Add(Step step) {
  steps_.push_back(std::move(step));
  if (!busy_) Next();
}

void Queue::Next() {
  busy_ = !steps_.empty();
  if (!busy_) return;
  const Step step = std::move(steps_.front());
  steps_.pop_front();
  step([this] { Next(); });
}

bool IsValidId(const std::string& id) {
  if (id.empty() || id.size() > 76 || !absl::ascii_isalnum(static_cast<unsigned char>(id[0]))) return false;
  for (const char c : id) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') return false;
  }
  return true;
}

bool SharesPids(const std::string& bundle) {
  const absl::StatusOr<std::string> text = ReadFile(bundle + "/config.json");
  if (!text.ok()) return true;
  const absl::StatusOr<oci::JsonValue> config = oci::ParseJson(*text, "config.json");
  if (!config.ok()) return true;
  const oci::JsonValue* namespaces = Member(Member(&*config, "linux"), "namespaces");
  if (namespaces == nullptr) return true;
  for (const oci::JsonValue& entry : namespaces->items) {
    const oci::JsonValue* type = Member(&entry, "type");
    const oci::JsonValue* path = Member(&entry, "path");
    if (type != nullptr && type->text == "pid") return path != nullptr && !path->text.empty();
  }
  return true;
}

}  // namespace runsc::shim
