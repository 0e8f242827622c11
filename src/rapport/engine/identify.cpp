#include <fmt/format.h>

#include "rapport/base/text.h"
#include "rapport/engine/steps.h"

namespace rapport::engine {
namespace {

constexpr std::size_t kMaxName = 512;  // bytes; OpenAI's safety_identifier and e-mail addresses fit

struct Candidate {
  const std::string& name;
  const char* source;
  const char* param;
};

}  // namespace

Result<Identity> identify(const Caller& caller, const store::KeyRing& keys) {
  const Candidate candidates[] = {
      {caller.key_user, "key", ""},
      {caller.header_user, "header", "X-Rapport-User"},
      {caller.body_user, "user", "user"},
      {caller.metadata_user, "metadata.user_id", "metadata.user_id"},
      {caller.safety_identifier, "safety_identifier", "safety_identifier"},
  };
  for (const Candidate& candidate : candidates) {
    if (candidate.name.empty()) continue;
    if (candidate.name.size() > kMaxName) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is {} bytes long; a user's name has at most {}", candidate.param,
                              candidate.name.size(), kMaxName),
                  candidate.param);
    }
    if (!base::is_utf8(candidate.name)) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is not valid UTF-8", candidate.param), candidate.param);
    }
    return Identity{caller.app, candidate.name, keys.pseudonym(caller.app, candidate.name),
                    candidate.source};
  }
  return Identity{caller.app, "", "", "anonymous"};
}

}  // namespace rapport::engine
