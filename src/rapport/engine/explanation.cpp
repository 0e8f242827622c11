#include "rapport/engine/explanation.h"

namespace rapport::engine {

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json to_json(const std::vector<LeftOut>& left_out) {
  Json json = Json::array();
  for (const LeftOut& each : left_out) json.push_back({{"what", each.what}, {"why", each.why}});
  return json;
}

Json to_json(const std::vector<StepTime>& steps) {
  Json json = Json::array();
  for (const StepTime& each : steps)
    json.push_back({{"step", each.step}, {"milliseconds", each.milliseconds}});
  return json;
}

}  // namespace rapport::engine
