#include "runsc-cpp/oci/parse.h"

#include <utility>

#include "runsc-cpp/oci/fields.h"
#include "runsc-cpp/oci/json.h"
#include "runsc-cpp/oci/reader.h"
#include "runsc-cpp/oci/resource_fields.h"
#include "runsc-cpp/oci/writer.h"

namespace runsc::oci {
namespace {

template <class T>
absl::StatusOr<Parsed<T>> Parse(std::string_view text, std::string_view file) {
  const absl::StatusOr<JsonValue> json = ParseJson(text, file);
  if (!json.ok()) return json.status();
  ReadNotes notes;
  ReadContext context(file, notes);
  Parsed<T> result;
  ReadValue(context, std::string(), *json, result.value, {});
  if (!context.ok()) return context.status();
  result.unknown = std::move(notes.unknown);
  result.noted = std::move(notes.noted);
  return result;
}

}  // namespace

absl::StatusOr<Parsed<Spec>> ParseSpec(std::string_view text, std::string_view file) { return Parse<Spec>(text, file); }

absl::StatusOr<Parsed<Process>> ParseProcess(std::string_view text, std::string_view file) {
  return Parse<Process>(text, file);
}

absl::StatusOr<Parsed<LinuxResources>> ParseResources(std::string_view text, std::string_view file) {
  return Parse<LinuxResources>(text, file);
}

std::string SpecToJson(const Spec& spec, std::string_view indent) { return ToJson(spec, indent); }
std::string ProcessToJson(const Process& process, std::string_view indent) { return ToJson(process, indent); }
std::string ResourcesToJson(const LinuxResources& resources, std::string_view indent) {
  return ToJson(resources, indent);
}

}  // namespace runsc::oci
