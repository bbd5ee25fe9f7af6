#include "runsc-cpp/oci/writer.h"

namespace runsc::oci {

void JsonWriter::Line() {
  if (indent_.empty()) return;
  out_ += '\n';
  for (size_t i = 0; i < depth_; ++i) out_ += indent_;
}

void JsonWriter::Open(char bracket) {
  out_ += bracket;
  ++depth_;
  empty_ = true;
}

void JsonWriter::Close(char bracket) {
  --depth_;
  if (!empty_) Line();
  out_ += bracket;
  empty_ = false;  // what encloses it holds at least this
}

void JsonWriter::Item() {
  if (!empty_) out_ += ',';
  empty_ = false;
  Line();
}

void JsonWriter::Key(std::string_view name) {
  Item();
  out_ += QuoteJson(name);
  out_ += indent_.empty() ? ":" : ": ";
}

}  // namespace runsc::oci
