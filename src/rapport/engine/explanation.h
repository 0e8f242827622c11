// What the explanations of answers and of recommendations share.
#pragma once

#include <string>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/engine/trace.h"

namespace rapport::engine {

Json or_null(const std::string& text);  // null for ""
Json to_json(const std::vector<LeftOut>& left_out);
Json to_json(const std::vector<StepTime>& steps);

/// `trace` is a Trace or a RecommendationTrace: who asked, and what may be used for them and why.
template <typename AnyTrace>
Json explanation_opening(const AnyTrace& trace, std::string summary) {
  return {{"object", "explanation"},
          {"response_id", trace.response_id},
          {"created", base::iso8601(trace.created)},
          {"summary", std::move(summary)},
          {"user", or_null(trace.who.user)},
          {"identified_by", trace.who.source},
          {"degree", static_cast<int>(trace.permit.degree)},
          {"degree_reason", trace.permit.reason},
          {"domain", or_null(trace.domain)}};
}

}  // namespace rapport::engine
