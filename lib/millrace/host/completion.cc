// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/completion.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "millrace/host/flags.h"

namespace millrace::host {
namespace {

// One long option of a command.
struct Flag {
  std::string name;  // "--port"
  std::string help;
  bool takes_value = false;
  std::vector<std::string> choices;
};

std::vector<Flag> FlagsOf(const Command& command) {
  std::vector<Flag> flags = {{"--help", "print help", false, {}}};
  const auto add = [&flags](const std::string& names, const std::string& help, bool takes_value,
                            const std::vector<std::string>& choices) {
    for (const absl::string_view part : absl::StrSplit(names, ',')) {
      std::string name(part);
      name.erase(std::remove(name.begin(), name.end(), '!'), name.end());
      if (name.rfind("--", 0) == 0) {
        flags.push_back({name, help, takes_value, takes_value ? choices : std::vector<std::string>()});
      }
    }
  };
  for (const FlagSpec& flag : command.flags()) add(flag.names, flag.help, !flag.value_name.empty(), flag.choices);
  for (const OptionRow* row : command.settings()) add(row->flags, row->help, !row->value_name.empty(), row->choices);
  if (!command.settings().empty()) {
    add("--config", "read settings from this file", true, {});
    add("--print-settings", "print all settings and exit", false, {});
  }
  return flags;
}

// Calls visit(words, command) for the root and every command below it; the words are those after the program's name.
template <class Visit>
void ForEachCommand(const Command& command, const std::string& words, Visit visit) {
  visit(words, command);
  for (const Command& child : command.commands()) {
    ForEachCommand(child, words.empty() ? child.name() : words + " " + child.name(), visit);
  }
}

std::string Identifier(std::string name) {
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

// A text inside single quotes of a shell.
std::string Quoted(const std::string& text) { return "'" + absl::StrReplaceAll(text, {{"'", "'\\''"}}) + "'"; }

// bash and zsh share the body: from the words so far it finds the command and lists candidates.
std::string Cases(const Command& root) {
  std::string text;
  ForEachCommand(root, "", [&text](const std::string& words, const Command& command) {
    std::vector<std::string> names;
    std::vector<std::string> valued;
    std::string values;
    for (const Command& child : command.commands()) names.push_back(child.name());
    for (const Flag& flag : FlagsOf(command)) {
      names.push_back(flag.name);
      if (flag.takes_value) valued.push_back(flag.name);
      if (!flag.choices.empty()) {
        absl::StrAppendFormat(&values, "        %s) values='%s' ;;\n", flag.name, absl::StrJoin(flag.choices, " "));
      }
    }
    absl::StrAppendFormat(&text, "    '%s')\n      candidates='%s'\n      valued=' %s '\n", words,
                          absl::StrJoin(names, " "), absl::StrJoin(valued, " "));
    if (!values.empty()) text += "      case \"$previous\" in\n" + values + "      esac\n";
    text += "      ;;\n";
  });
  return text;
}

std::string CommandPaths(const Command& root) {
  std::vector<std::string> paths;
  ForEachCommand(root, "", [&paths](const std::string& words, const Command&) {
    if (!words.empty()) paths.push_back(Quoted(words));
  });
  return absl::StrJoin(paths, "|");
}

std::string Bash(const std::string& program, const Command& root) {
  const std::string paths = CommandPaths(root);
  const std::string walk = paths.empty() ? ""
                                         : "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                                           "    case \"${path:+$path }$word\" in " +
                                               paths +
                                               ") path=\"${path:+$path }$word\" ;; esac\n"
                                               "  done\n";
  return "# bash completion for " + program + ": source it, or put it into /etc/bash_completion.d\n_" +
         Identifier(program) +
         "() {\n"
         "  local word path='' candidates='' valued='' values='' previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n" +
         walk + "  case \"$path\" in\n" + Cases(root) +
         "  esac\n"
         "  local current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
         "  if [[ -n $values ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$values\" -- \"$current\"))\n"
         "  elif [[ $valued == *\" $previous \"* ]]; then\n"
         "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
         "  else\n"
         "    COMPREPLY=($(compgen -W \"$candidates\" -- \"$current\"))\n"
         "    [[ $current == -* ]] || COMPREPLY+=($(compgen -f -- \"$current\"))\n"
         "  fi\n"
         "}\ncomplete -o filenames -F _" +
         Identifier(program) + " " + program + "\n";
}

std::string Zsh(const std::string& program, const Command& root) {
  const std::string paths = CommandPaths(root);
  const std::string walk = paths.empty() ? ""
                                         : "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
                                           "    case \"${path_:+$path_ }$word\" in " +
                                               paths +
                                               ") path_=\"${path_:+$path_ }$word\" ;; esac\n"
                                               "  done\n";
  return "#compdef " + program + "\n_" + Identifier(program) +
         "() {\n"
         "  local word path_='' candidates='' valued='' values='' previous=\"${words[CURRENT-1]}\"\n" +
         walk + "  case \"$path_\" in\n" + Cases(root) +
         "  esac\n"
         "  if [[ -n $values ]]; then\n"
         "    compadd -- ${=values}\n"
         "  elif [[ $valued == *\" $previous \"* ]]; then\n"
         "    _files\n"
         "  else\n"
         "    compadd -- ${=candidates}\n"
         "    [[ ${words[CURRENT]} == -* ]] || _files\n"
         "  fi\n"
         "}\ncompdef _" +
         Identifier(program) + " " + program + "\n";
}

std::string Fish(const std::string& program, const Command& root) {
  std::string text = "# fish completion for " + program + "\n";
  ForEachCommand(root, "", [&](const std::string& words, const Command& command) {
    // Every word of the path has been said, and no command below it.
    std::vector<std::string> conditions;
    for (const absl::string_view word : absl::StrSplit(words, ' ', absl::SkipEmpty())) {
      conditions.push_back("__fish_seen_subcommand_from " + std::string(word));
    }
    std::vector<std::string> below;
    for (const Command& child : command.commands()) below.push_back(child.name());
    if (!below.empty()) conditions.push_back("not __fish_seen_subcommand_from " + absl::StrJoin(below, " "));
    const std::string condition = conditions.empty() ? "" : " -n " + Quoted(absl::StrJoin(conditions, "; and "));
    for (const Command& child : command.commands()) {
      absl::StrAppendFormat(&text, "complete -c %s%s -a %s -d %s\n", program, condition, child.name(),
                            Quoted(child.summary()));
    }
    for (const Flag& flag : FlagsOf(command)) {
      absl::StrAppendFormat(&text, "complete -c %s%s -l %s -d %s%s", program, condition, flag.name.substr(2),
                            Quoted(flag.help), flag.takes_value ? " -r" : "");
      if (!flag.choices.empty()) absl::StrAppendFormat(&text, " -f -a %s", Quoted(absl::StrJoin(flag.choices, " ")));
      text += "\n";
    }
  });
  return text;
}

}  // namespace

std::string CompletionScript(std::string_view shell, const std::string& program, const Command& root) {
  if (shell == "bash") return Bash(program, root);
  if (shell == "zsh") return Zsh(program, root);
  if (shell == "fish") return Fish(program, root);
  return "";
}

}  // namespace millrace::host
