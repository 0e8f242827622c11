// Keeping what is known of a user consistent: a newer statement supersedes an older one that
// contradicts it, nothing is stored twice, a retraction ends what it retracts.
#pragma once

#include <string>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/profile/statements.h"
#include "rapport/store/store.h"

namespace rapport::profile {

/// Where a statement came from.
struct StatementSource {
  store::UserId user;
  std::string turn;  // id of the turn that said it
  std::string domain;
};

/// The facts to write so that `known` (the user's active facts) agrees with `statements`: new ones,
/// and old ones with their new status. Settings among the statements are ignored. Pure.
std::vector<store::Fact> reconcile(const std::vector<store::Fact>& known,
                                   const std::vector<Statement>& statements,
                                   const StatementSource& source, base::UnixMillis now,
                                   base::Random& random);

/// A fact entered by hand: attribute and value are filled by the rules where they match. `text`
/// must not be empty and at most 1,000 bytes of UTF-8. Errors: kInvalidArgument, param "text".
Result<std::vector<store::Fact>> facts_from_text(const std::vector<store::Fact>& known,
                                                 const std::string& text,
                                                 const StatementSource& source,
                                                 base::UnixMillis now, base::Random& random);

/// The fact as a prompt says it: "The user is vegetarian." where a rule made it, the user's own
/// words in quotation marks otherwise. Small models follow plain third-person sentences best.
std::string sentence(const store::Fact& fact);

/// As the API shows it.
Json to_json(const store::Fact& fact);

}  // namespace rapport::profile
