// What a remote model is sent: the body of POST /chat/completions.
#pragma once

#include "rapport/base/json.h"
#include "rapport/language/language_model.h"
#include "rapport/language/remote_model.h"

namespace rapport::language {

/// Messages as the application wrote them, known fields only where the request sets them, then
/// `passthrough` in its own order without what would override ours or name the person.
Json remote_body(const RemoteOptions& options, const GenerateRequest& request);

}  // namespace rapport::language
