#include "json_schema.h"

#include <algorithm>
#include <set>

namespace rapport::testing {
namespace {

class Check {
 public:
  explicit Check(const Json& document) : document_(document) {}

  void run(const Json& value, const Json& schema, const std::string& path) {
    for (const auto& [keyword, argument] : schema.items())
      keyword_of(keyword, argument, value, schema, path);
  }

  std::vector<std::string> faults;

 private:
  void wrong(const std::string& path, const std::string& what) {
    faults.push_back(path + ": " + what);
  }

  void keyword_of(const std::string& keyword, const Json& argument, const Json& value,
                  const Json& schema, const std::string& path) {
    static const std::set<std::string> kSilent = {"description", "default", "format", "$ref"};
    if (keyword == "$ref") {
      run(value, document_.at(Json::json_pointer(argument.get<std::string>().substr(1))), path);
    } else if (keyword == "type") {
      check_type(value, argument, path);
    } else if (keyword == "const") {
      if (value != argument) wrong(path, "is not " + argument.dump());
    } else if (keyword == "enum") {
      if (std::ranges::find(argument, value) == argument.end())
        wrong(path, value.dump() + " is none of " + argument.dump());
    } else if (keyword == "properties") {
      if (!value.is_object()) return;
      for (const auto& [name, member] : argument.items()) {
        if (value.contains(name)) run(value[name], member, path + "/" + name);
      }
    } else if (keyword == "required") {
      for (const Json& name : argument) {
        if (value.is_object() && !value.contains(name.get<std::string>()))
          wrong(path, "lacks " + name.dump());
      }
    } else if (keyword == "additionalProperties") {
      check_additional(value, argument, schema, path);
    } else if (keyword == "items") {
      if (!value.is_array()) return;
      for (std::size_t i = 0; i < value.size(); ++i)
        run(value[i], argument, path + "/" + std::to_string(i));
    } else if (keyword == "oneOf") {
      const auto fitting = std::ranges::count_if(argument, [&](const Json& each) {
        return schema_faults(value, each, document_).empty();
      });
      if (fitting != 1) wrong(path, std::to_string(fitting) + " of oneOf fit");
    } else if (keyword == "minimum" || keyword == "exclusiveMinimum" || keyword == "maximum") {
      if (!value.is_number()) return;
      const double number = value.get<double>(), bound = argument.get<double>();
      const bool fits = keyword == "minimum"   ? number >= bound
                        : keyword == "maximum" ? number <= bound
                                               : number > bound;
      if (!fits) wrong(path, value.dump() + " breaks " + keyword);
    } else if (keyword == "minItems" || keyword == "maxItems") {
      if (value.is_array() &&
          (keyword == "minItems") != (value.size() >= argument.get<std::size_t>()) &&
          value.size() != argument.get<std::size_t>())
        wrong(path, "breaks " + keyword);
    } else if (keyword == "maxLength" || keyword == "maxProperties") {
      const std::size_t size = value.is_string() ? value.get<std::string>().size() : value.size();
      if ((value.is_string() || value.is_object()) && size > argument.get<std::size_t>())
        wrong(path, "breaks " + keyword);
    } else if (!kSilent.contains(keyword)) {
      wrong(path, "the schema's keyword " + keyword + " is not known to this check");
    }
  }

  void check_type(const Json& value, const Json& type, const std::string& path) {
    const Json types = type.is_array() ? type : Json::array({type});
    const bool fits = std::ranges::any_of(types, [&](const Json& each) {
      return (each == "object" && value.is_object()) || (each == "array" && value.is_array()) ||
             (each == "string" && value.is_string()) || (each == "boolean" && value.is_boolean()) ||
             (each == "integer" && value.is_number_integer()) ||
             (each == "number" && value.is_number()) || (each == "null" && value.is_null());
    });
    if (!fits) wrong(path, std::string(value.type_name()) + " is not " + type.dump());
  }

  void check_additional(const Json& value, const Json& argument, const Json& schema,
                        const std::string& path) {
    if (!value.is_object()) return;
    for (const auto& [name, member] : value.items()) {
      if (schema.contains("properties") && schema["properties"].contains(name)) continue;
      if (argument == false) {
        wrong(path, "has " + name + ", which the schema does not");
      } else if (argument.is_object()) {
        run(member, argument, path + "/" + name);
      }
    }
  }

  const Json& document_;
};

}  // namespace

std::vector<std::string> schema_faults(const Json& value, const Json& schema,
                                       const Json& document) {
  Check check(document);
  check.run(value, schema, "");
  return check.faults;
}

}  // namespace rapport::testing
