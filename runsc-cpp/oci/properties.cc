#include "runsc-cpp/oci/properties.h"

#include <map>
#include <optional>

#include "runsc-cpp/oci/fields.h"
#include "runsc-cpp/oci/resource_fields.h"
#include "runsc-cpp/oci/text.h"

namespace runsc::oci {
namespace {

// The visitor that goes down into every object, of which it makes an empty one.
class PropertyLister {
 public:
  PropertyLister(std::string path, std::vector<Property>& out) : path_(std::move(path)), out_(out) {}

  template <class T>
  void Required(std::string_view name, T&, const Rule& rule = {}) {
    Add<T>(name, Support::kHonoured, "", rule, true);
  }
  template <class T>
  void Always(std::string_view name, T&, const Rule& rule = {}) {
    Add<T>(name, Support::kHonoured, "", rule, false);
  }
  template <class T>
  void Optional(std::string_view name, T&, const Rule& rule = {}) {
    Add<T>(name, Support::kHonoured, "", rule, false);
  }
  template <class T>
  void Noted(std::string_view name, T&, std::string_view why) {
    Add<T>(name, Support::kNoted, why, {}, false);
  }
  void Refused(std::string_view name, std::string_view why) {
    out_.push_back({Path(name), Support::kRefused, std::string(why), "", false});
  }

 private:
  std::string Path(std::string_view name) const { return Cat(path_, path_.empty() ? "" : ".", name); }

  static std::string Allowed(const Rule& rule) {
    if (!rule.words.empty()) return Cat("one of ", Join(rule.words));
    if (rule.least == INT64_MIN && rule.most == INT64_MAX) return "";
    if (rule.most == INT64_MAX) return Cat("at least ", rule.least);
    return Cat(rule.least, " to ", rule.most);
  }

  template <class T>
  void Add(std::string_view name, Support support, std::string_view note, const Rule& rule, bool required) {
    out_.push_back({Path(name), support, std::string(note), Allowed(rule), required});
    Descend(Path(name), static_cast<T*>(nullptr));
  }

  template <class T>
  void Descend(std::string path, std::optional<T>*) {
    Descend(std::move(path), static_cast<T*>(nullptr));
  }
  template <class T>
  void Descend(std::string path, std::vector<T>*) {
    Descend(path + "[]", static_cast<T*>(nullptr));
  }
  template <class T>
  void Descend(std::string path, std::map<std::string, T>*) {
    Descend(path + "{}", static_cast<T*>(nullptr));
  }
  template <class T>
  void Descend(std::string path, T*) {
    if constexpr (std::is_class_v<T> && !std::is_same_v<T, std::string>) {
      PropertyLister below(std::move(path), out_);
      T empty;
      Fields(below, empty);
    }
  }

  const std::string path_;
  std::vector<Property>& out_;
};

std::string_view Name(Support support) {
  switch (support) {
    case Support::kHonoured:
      return "honoured";
    case Support::kNoted:
      return "accepted, no effect";
    case Support::kRefused:
      return "refused";
  }
  return "";
}

}  // namespace

std::vector<Property> Properties() {
  std::vector<Property> list;
  PropertyLister lister("", list);
  Spec spec;
  Fields(lister, spec);
  return list;
}

std::string PropertiesToMarkdown() {
  std::string out = "| property | support | note |\n|---|---|---|\n";
  for (const Property& p : Properties()) {
    const std::string note = p.note.empty() ? p.allowed : p.note;
    out += Cat("| `", p.path, "` | ", Name(p.support), " | ", p.required ? "required" : "",
               p.required && !note.empty() ? "; " : "", note, " |\n");
  }
  return out;
}

}  // namespace runsc::oci
