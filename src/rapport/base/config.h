// Configuration: defaults → rapport.toml → RAPPORT_* variables → flags, the later wins.
//
// Each module owns an …Options struct and lists its fields once; that list is the parser, the
// documentation and `rapport config show`:
//
//   void ServerOptions::describe(OptionSet& set) {
//     set.add("server.listen", listen, "address:port; anything but loopback needs API keys");
//   }
//   OptionSet set; server.describe(set); language.describe(set);
//   TRY_VOID(set.load_file(path)); TRY_VOID(set.load_environment(environment()));
//   TRY_VOID(set.assign("server.listen", "…", "--listen"));
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::base {

class OptionSet {
 public:
  /// The field an option writes to; it must outlive the set.
  using Target =
      std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::string>*>;

  struct Option {
    std::string key;  // "server.listen"; the variable is RAPPORT_SERVER_LISTEN
    Target target;
    std::string help = {};  // meaning, unit, range
    std::string origin =
        "default";        // or "/path/rapport.toml:3", "RAPPORT_SERVER_LISTEN", "--listen"
    bool secret = false;  // shown as "(set)" or "(not set)"
    double minimum = 0, maximum = 0;  // for numbers, when bounded
    bool bounded = false;
  };

  /// `key` and the variable it makes are new to the set. The reference holds until the next `add`.
  Option& add(std::string key, bool& field, std::string help);
  Option& add(std::string key, std::string& field, std::string help);
  Option& add(std::string key, std::vector<std::string>& field,
              std::string help);  // variables: comma-separated
  Option& add(std::string key, std::int64_t& field, std::string help, std::int64_t minimum,
              std::int64_t maximum);
  Option& add(std::string key, double& field, std::string help, double minimum, double maximum);
  Option& add_secret(std::string key, std::string& field, std::string help);

  // Each of these takes all of its source or, on an error, nothing. Errors: kInvalidArgument with
  // the key as `param`; values of secrets are not shown.

  /// TOML of at most 1 MB. Errors name file:line, the key, what its value is and what is expected,
  /// and for an unknown key the nearest known one; kNotFound when there is no such file.
  Result<void> load_file(const std::string& path);
  /// Takes every RAPPORT_* variable but those in `ignored`: the folder, and secrets, which `config
  /// show` must not print. An unknown one is an error with the nearest known one.
  Result<void> load_environment(const std::map<std::string, std::string>& environment,
                                const std::vector<std::string>& ignored = {
                                    "RAPPORT_HOME", "RAPPORT_CONFIG", "RAPPORT_MASTER_KEY_FILE",
                                    "RAPPORT_MASTER_KEY", "RAPPORT_PASSPHRASE",
                                    "RAPPORT_NEW_MASTER_KEY", "RAPPORT_NEW_PASSPHRASE"});
  /// As a variable's text: true, false, 1, 0, yes, no, on or off; lists separated by commas.
  /// `origin` names the flag.
  Result<void> assign(std::string_view key, std::string_view value, std::string_view origin);

  const std::vector<Option>& options() const { return options_; }
  /// The effective value of each option as JSON, secrets hidden.
  static Json value(const Option& option);

 private:
  Option& add(Option option);

  std::vector<Option> options_;
};

/// This process's environment.
std::map<std::string, std::string> environment();

/// The member of `known` with the smallest edit distance, "" when none is near (more than a third
/// of its length away).
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace rapport::base
