// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/document.h"

#include <algorithm>
#include <exception>
#include <istream>
#include <streambuf>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "millrace/yaml/source.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

namespace millrace::yaml {
namespace {

Mark ToMark(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

// Thrown by the builder to leave the parser, which knows no other way; never leaves this file.
struct Stop {};

// The first part of a text, for errors.
std::string Shortened(std::string_view text) {
  constexpr std::size_t kShownBytes = 40;
  if (text.size() <= kShownBytes) return std::string(text);
  std::size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return std::string(text.substr(0, end)) + "...";
}

// What a part of the tree costs when an alias repeats it.
struct Weight {
  std::size_t nodes = 0;
  std::size_t bytes = 0;
  std::size_t depth = 0;
};

Weight Weigh(const Node& node) {
  Weight sum{1, node.text.size(), 0};
  const auto add = [&sum](const Node& child) {
    const Weight weight = Weigh(child);
    sum.nodes += weight.nodes;
    sum.bytes += weight.bytes;
    sum.depth = std::max(sum.depth, weight.depth);
  };
  for (const Node& item : node.items) add(item);
  for (const Entry& entry : node.entries) {
    sum.bytes += entry.key.size();
    add(entry.value);
  }
  sum.depth += node.is_list() || node.is_map() ? 1 : 0;
  return sum;
}

class Builder : public YAML::EventHandler {
 public:
  Builder(const Limits& limits, Problems& problems) : limits_(limits), problems_(problems) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    Fail(ToMark(mark), "a second document begins here; a file holds one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.mark = ToMark(mark);
    Deliver(std::move(node), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.kind = Node::Kind::kScalar;
    node.mark = ToMark(mark);
    node.text = value;
    node.plain = tag == "?";
    if (tag == "!") last_quoted_ = static_cast<std::size_t>(mark.pos);
    CheckTag(node.mark, tag);
    Deliver(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto anchored = anchors_.find(anchor);
    if (anchored == anchors_.end()) Fail(ToMark(mark), "an alias stands inside the anchor that it repeats");
    if (++aliases_ > limits_.max_alias_expansions) {
      Fail(ToMark(mark), "over %d aliases", limits_.max_alias_expansions);
    }
    const auto& [node, weight] = anchored->second;
    if (stack_.size() + weight.depth > limits_.max_depth) TooDeep(ToMark(mark));
    nodes_ += weight.nodes - 1;  // Deliver counts one
    CheckNodes(ToMark(mark));
    alias_bytes_ += weight.bytes;
    if (alias_bytes_ > limits_.max_bytes) {
      Fail(ToMark(mark), "aliases repeat over %d bytes of text", limits_.max_bytes);
    }
    Deliver(Node(node), YAML::NullAnchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(Node::Kind::kList, ToMark(mark), tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(Node::Kind::kMap, ToMark(mark), tag, anchor);
  }
  void OnMapEnd() override { Close(); }

  Node TakeRoot() { return std::move(root_); }
  // Where the last quoted or block text begins, if there is one.
  std::optional<std::size_t> last_quoted() const { return last_quoted_; }

 private:
  struct Level {
    Node node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    bool has_key = false;  // of a map: the next node is the value of `key`
    std::string key{};
    Mark key_mark{};
    std::unordered_set<std::string> keys{};
    std::vector<Entry> merged{};  // what `<<` brings
  };

  template <class... Args>
  [[noreturn]] void Fail(Mark mark, const absl::FormatSpec<Args...>& format, const Args&... args) {
    problems_.Add(mark, format, args...);
    throw Stop{};
  }
  [[noreturn]] void TooDeep(Mark mark) { Fail(mark, "nested over %d levels deep", limits_.max_depth); }
  void CheckNodes(Mark mark) {
    if (nodes_ > limits_.max_nodes) Fail(mark, "over %d values, aliases expanded", limits_.max_nodes);
  }
  void CheckTag(Mark mark, const std::string& tag) {
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    if (tag.empty() || tag == "?" || tag == "!" || tag.compare(0, kCore.size(), kCore) == 0) return;
    problems_.Add(mark, "unknown tag '%s'; tags have no meaning here", Shortened(tag));
  }

  void Open(Node::Kind kind, Mark mark, const std::string& tag, YAML::anchor_t anchor) {
    if (stack_.size() >= limits_.max_depth) TooDeep(mark);
    CheckTag(mark, tag);
    RefuseAsKey(kind, mark);
    Level level;
    level.node.kind = kind;
    level.node.mark = mark;
    level.anchor = anchor;
    stack_.push_back(std::move(level));
  }
  void Close() {
    Level level = std::move(stack_.back());
    stack_.pop_back();
    for (Entry& entry : level.merged) {
      if (level.keys.insert(entry.key).second) level.node.entries.push_back(std::move(entry));
    }
    Deliver(std::move(level.node), level.anchor);
  }
  void RefuseAsKey(Node::Kind kind, Mark mark) {
    if (stack_.empty() || !stack_.back().node.is_map() || stack_.back().has_key) return;
    Fail(mark, "%s cannot be a key", kind == Node::Kind::kList ? "a list" : "a map");
  }

  // A finished node goes where it belongs: the list or map that is open, or the root.
  void Deliver(Node node, YAML::anchor_t anchor) {
    ++nodes_;
    CheckNodes(node.mark);
    if (anchor != YAML::NullAnchor) Remember(anchor, node);
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = stack_.back();
    if (level.node.is_list()) {
      level.node.items.push_back(std::move(node));
    } else if (!level.has_key) {
      TakeKey(level, std::move(node));
    } else {
      level.has_key = false;
      if (level.key == "<<") {
        Merge(level, std::move(node));
      } else if (level.keys.insert(level.key).second) {
        level.node.entries.push_back(Entry{std::move(level.key), level.key_mark, std::move(node)});
      }
    }
  }
  void Remember(YAML::anchor_t anchor, const Node& node) {
    const Weight weight = Weigh(node);
    anchored_nodes_ += weight.nodes;  // anchors inside anchors keep their parts again
    if (anchored_nodes_ > limits_.max_nodes) Fail(node.mark, "anchors keep over %d values", limits_.max_nodes);
    anchors_.insert_or_assign(anchor, std::make_pair(node, weight));
  }
  void TakeKey(Level& level, Node node) {
    if (!node.is_scalar() && !node.is_null()) RefuseAsKey(node.kind, node.mark);
    if (node.is_null()) Fail(node.mark, "a key is missing before ':'");
    level.has_key = true;
    level.key = std::move(node.text);
    level.key_mark = node.mark;
    if (level.keys.contains(level.key)) problems_.Add(node.mark, "key '%s' stands here twice", Shortened(level.key));
  }
  void Merge(Level& level, Node node) {
    if (node.is_map()) {
      std::move(node.entries.begin(), node.entries.end(), std::back_inserter(level.merged));
      return;
    }
    bool all_maps = node.is_list();
    for (const Node& item : node.items) all_maps = all_maps && item.is_map();
    if (!all_maps) {
      problems_.Add(node.mark, "'<<' merges a map or a list of maps, not %s", Describe(node));
      return;
    }
    for (Node& item : node.items) Merge(level, std::move(item));
  }

  const Limits& limits_;
  Problems& problems_;
  int documents_ = 0;
  std::size_t nodes_ = 0;
  std::size_t anchored_nodes_ = 0;
  std::size_t aliases_ = 0;
  std::size_t alias_bytes_ = 0;
  std::unordered_map<YAML::anchor_t, std::pair<Node, Weight>> anchors_;  // the finished ones
  std::vector<Level> stack_;
  Node root_;
  std::optional<std::size_t> last_quoted_;
};

// An istream over memory that is not copied.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // only read: streambuf has no const form
    setg(begin, begin, begin + text.size());
  }
};

}  // namespace

const Node* Node::Find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string Describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull: return "nothing";
    case Node::Kind::kList: return "a list";
    case Node::Kind::kMap: return "a map";
    case Node::Kind::kScalar: break;
  }
  return "'" + Shortened(node.text) + "'";
}

std::optional<Node> Load(std::string_view text, const Limits& limits, Problems& problems) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) text.remove_prefix(kByteOrderMark.size());
  if (text.size() > limits.max_bytes) {
    problems.Add({}, "is over %d bytes long, which is the limit", limits.max_bytes);
    return std::nullopt;
  }
  if (!CheckSource(text, problems)) return std::nullopt;
  Builder builder(limits, problems);
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    if (!CheckLastQuoted(text, builder.last_quoted(), problems)) return std::nullopt;
    return builder.TakeRoot();
  } catch (const Stop&) {
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    if (!CheckLastQuoted(text, builder.last_quoted(), problems)) return std::nullopt;
    problems.Add(ToMark(error.mark), "%s", SyntaxHint(error.msg));
  } catch (const std::exception& error) {
    problems.Add({}, "cannot be read as YAML: %s", error.what());
  }
  return std::nullopt;
}

}  // namespace millrace::yaml
