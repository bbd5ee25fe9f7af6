#include "runsc-cpp/install/toml_edit.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace runsc {
namespace {

bool IsBare(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; }

class Scanner {
 public:
  explicit Scanner(absl::string_view text) : text_(text) {}

  bool AtEnd() const { return at_ >= text_.size(); }
  size_t at() const { return at_; }
  char Peek() const { return AtEnd() ? '\n' : text_[at_]; }
  bool Consume(absl::string_view what) {
    if (!absl::StartsWith(text_.substr(at_), what)) return false;
    at_ += what.size();
    return true;
  }
  void SkipBlanks() {
    while (!AtEnd() && (Peek() == ' ' || Peek() == '\t')) ++at_;
  }
  // Blanks and a comment up to and with the line's end; false if there is more.
  bool SkipToLineEnd() {
    SkipBlanks();
    if (Peek() == '#') {
      while (!AtEnd() && Peek() != '\n') ++at_;
    }
    Consume("\r");
    if (!AtEnd() && Peek() != '\n') return false;
    if (!AtEnd()) ++at_;
    return true;
  }
  // The beginning of the line that at() is in.
  size_t LineBegin() const {
    const size_t newline = at_ == 0 ? text_.npos : text_.rfind('\n', at_ - 1);
    return newline == text_.npos ? 0 : newline + 1;
  }
  absl::Status Error(absl::string_view what) const {
    const auto line = std::count(text_.begin(), text_.begin() + std::min(at_, text_.size()), '\n') + 1;
    return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
  }

  absl::Status ReadKey(TomlKey& key) {
    while (true) {
      SkipBlanks();
      std::string part;
      if (Peek() == '"' || Peek() == '\'') {
        if (absl::Status s = ReadQuoted(part); !s.ok()) return s;
      } else {
        while (!AtEnd() && IsBare(Peek())) part += text_[at_++];
        if (part.empty()) return Error("a key is missing");
      }
      key.push_back(std::move(part));
      SkipBlanks();
      if (!Consume(".")) return absl::OkStatus();
    }
  }

  // Any value: strings of all four kinds, arrays and inline tables over several lines, and the rest.
  absl::Status SkipValue() {
    int depth = 0;
    while (true) {
      SkipBlanks();
      const char c = Peek();
      if (AtEnd() && depth > 0) return Error("an array or inline table does not end");
      if (c == '"' || c == '\'') {
        if (absl::Status s = SkipString(); !s.ok()) return s;
      } else if (c == '[' || c == '{') {
        ++depth;
        ++at_;
      } else if (c == ']' || c == '}') {
        if (depth-- == 0) return Error("a bracket that was not opened");
        ++at_;
      } else if (depth > 0 && (c == '\n' || c == '\r' || c == '#')) {
        if (!SkipToLineEnd()) return Error("not understood");
        continue;
      } else if (depth > 0 && (c == ',' || c == '=' || c == '.')) {
        ++at_;
      } else {
        const size_t begin = at_;
        while (!AtEnd() && absl::string_view(" \t\r\n#,=[]{}\"'").find(Peek()) == absl::string_view::npos) ++at_;
        if (at_ == begin) return Error("a value is missing");
      }
      if (depth == 0) return absl::OkStatus();
    }
  }

 private:
  // A string on one line, with its value; escapes but \" and \\ stay as they are.
  absl::Status ReadQuoted(std::string& out) {
    const char quote = text_[at_++];
    while (!AtEnd() && Peek() != '\n') {
      const char c = text_[at_++];
      if (c == quote) return absl::OkStatus();
      if (c == '\\' && quote == '"' && !AtEnd()) {
        if (Peek() != '"' && Peek() != '\\') out += c;
        out += text_[at_++];
      } else {
        out += c;
      }
    }
    return Error("a string does not end");
  }

  absl::Status SkipString() {
    const std::string triple(3, Peek());
    std::string ignored;
    if (!Consume(triple)) return ReadQuoted(ignored);
    while (!AtEnd()) {
      if (Consume(triple)) {
        while (Consume(triple.substr(0, 1))) {  // up to two quotes may stand before the end
        }
        return absl::OkStatus();
      }
      if (triple[0] == '"' && Peek() == '\\') ++at_;
      if (!AtEnd()) ++at_;
    }
    return Error("a string of several lines does not end");
  }

  absl::string_view text_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<TomlOutline> TomlOutline::Of(absl::string_view text) {
  TomlOutline outline;
  Scanner scanner(text);
  TomlKey table;
  while (!scanner.AtEnd()) {
    if (scanner.SkipToLineEnd()) continue;
    if (scanner.Peek() == '[') {
      const size_t begin = scanner.LineBegin();
      const bool of_array = scanner.Consume("[[");
      if (!of_array) scanner.Consume("[");
      table.clear();
      if (absl::Status s = scanner.ReadKey(table); !s.ok()) return s;
      if (!scanner.Consume(of_array ? "]]" : "]")) return scanner.Error("a table's header does not end");
      if (!outline.tables_.empty()) outline.tables_.back().end = begin;
      outline.tables_.push_back({table, begin, text.size()});
    } else {
      Assignment assignment{table, 0, 0};
      if (absl::Status s = scanner.ReadKey(assignment.key); !s.ok()) return s;
      if (!scanner.Consume("=")) return scanner.Error("\"=\" is missing");
      scanner.SkipBlanks();
      assignment.value_begin = scanner.at();
      if (absl::Status s = scanner.SkipValue(); !s.ok()) return s;
      assignment.value_end = scanner.at();
      outline.assignments_.push_back(std::move(assignment));
    }
    if (!scanner.SkipToLineEnd()) return scanner.Error("more on a line than one key");
  }
  return outline;
}

const TomlOutline::Assignment* TomlOutline::Find(const TomlKey& key) const {
  for (const Assignment& one : assignments_) {
    if (one.key == key) return &one;
  }
  return nullptr;
}

bool IsPrefix(const TomlKey& prefix, const TomlKey& key) {
  return prefix.size() <= key.size() && std::equal(prefix.begin(), prefix.end(), key.begin());
}

std::string QuoteToml(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (absl::ascii_iscntrl(c)) {
      absl::StrAppendFormat(&out, "\\u%04X", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string FormatTomlKey(const TomlKey& key) {
  std::string out;
  for (const std::string& part : key) {
    const bool bare = !part.empty() && std::all_of(part.begin(), part.end(), IsBare);
    absl::StrAppend(&out, out.empty() ? "" : ".", bare ? part : QuoteToml(part));
  }
  return out;
}

std::string RemoveTables(absl::string_view text, const TomlOutline& outline, const TomlKey& key,
                         absl::string_view mark) {
  std::string out;
  size_t copied = 0;
  for (const TomlOutline::Table& table : outline.tables()) {
    if (!IsPrefix(key, table.key)) continue;
    absl::string_view before = text.substr(copied, table.begin - copied);
    if (absl::ConsumeSuffix(&before, mark) && absl::EndsWith(before, "\n\n")) before.remove_suffix(1);
    absl::StrAppend(&out, before);
    copied = table.end;
  }
  absl::StrAppend(&out, text.substr(copied));
  return out;
}

}  // namespace runsc
