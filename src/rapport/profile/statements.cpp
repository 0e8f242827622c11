#include "rapport/profile/statements.h"

#include <algorithm>
#include <map>
#include <optional>

#include "rapport/base/text.h"
#include "rapport/profile/clauses.h"

namespace rapport::profile {
namespace {

constexpr std::size_t kMaxRead =
    8 * 1024;  // bytes: what a person types; pasted documents state nothing of the user
constexpr std::size_t kMaxStatements = 16;

using Dictionary = std::map<std::string, std::string, std::less<>>;  // folded words → value

const Dictionary& diets() {
  static const Dictionary table = {
      {"vegetarian", "vegetarian"},
      {"a vegetarian", "vegetarian"},
      {"vegan", "vegan"},
      {"a vegan", "vegan"},
      {"pescatarian", "pescatarian"},
      {"a pescatarian", "pescatarian"},
      {"flexitarian", "flexitarian"},
      {"a flexitarian", "flexitarian"},
      {"gluten-free", "gluten-free"},
      {"gluten free", "gluten-free"},
      {"coeliac", "gluten-free"},
      {"celiac", "gluten-free"},
      {"lactose intolerant", "lactose-free"},
      {"lactose-intolerant", "lactose-free"},
      {"dairy-free", "dairy-free"},
      {"dairy free", "dairy-free"},
      {"on a keto diet", "keto"},
      {"keto", "keto"},
      {"halal", "halal"},
      {"kosher", "kosher"},
      {"diabetic", "diabetic"},
  };
  return table;
}

// Other languages' words for the same diets, each with its own verb in the rules below.
const Dictionary& diets_elsewhere() {
  static const Dictionary table = {
      {"vegetariano", "vegetarian"},
      {"vegetariana", "vegetarian"},
      {"vegano", "vegan"},
      {"vegana", "vegan"},
      {"vegetarier", "vegetarian"},
      {"vegetarierin", "vegetarian"},
      {"veganer", "vegan"},
      {"veganerin", "vegan"},
      {"vegan", "vegan"},
      {"v\u00e9g\u00e9tarien", "vegetarian"},
      {"v\u00e9g\u00e9tarienne", "vegetarian"},
      {"v\u00e9gane", "vegan"},
      {"v\u00e9gan", "vegan"},
  };
  return table;
}

const Dictionary& languages() {
  static const Dictionary table = [] {
    Dictionary names;
    for (const char* name :
         {"Afrikaans", "Albanian",  "Arabic",    "Armenian",  "Basque",     "Bengali",    "Bosnian",
          "Bulgarian", "Catalan",   "Chinese",   "Croatian",  "Czech",      "Danish",     "Dutch",
          "English",   "Esperanto", "Estonian",  "Finnish",   "French",     "Galician",   "German",
          "Greek",     "Hebrew",    "Hindi",     "Hungarian", "Icelandic",  "Indonesian", "Irish",
          "Italian",   "Japanese",  "Korean",    "Latin",     "Latvian",    "Lithuanian", "Malay",
          "Mandarin",  "Norwegian", "Persian",   "Polish",    "Portuguese", "Romanian",   "Russian",
          "Serbian",   "Slovak",    "Slovenian", "Spanish",   "Swahili",    "Swedish",    "Tamil",
          "Thai",      "Turkish",   "Ukrainian", "Urdu",      "Vietnamese", "Welsh"}) {
      names[base::fold_case(name)] = name;
    }
    for (const auto& [own, name] : std::initializer_list<std::pair<const char*, const char*>>{
             {"espa\u00f1ol", "Spanish"},
             {"castellano", "Spanish"},
             {"deutsch", "German"},
             {"fran\u00e7ais", "French"},
             {"italiano", "Italian"},
             {"portugu\u00eas", "Portuguese"},
             {"nederlands", "Dutch"},
             {"polski", "Polish"},
             {"svenska", "Swedish"},
             {"ingl\u00e9s", "English"},
             {"englisch", "English"},
             {"anglais", "English"}}) {
      names[base::fold_case(own)] = name;
    }
    return names;
  }();
  return table;
}

const Dictionary& lengths() {
  static const Dictionary table = {
      {"brief", "brief"},        {"briefly", "brief"},    {"short", "brief"},
      {"shorter", "brief"},      {"concise", "brief"},    {"concisely", "brief"},
      {"more concise", "brief"}, {"more brief", "brief"}, {"very short", "brief"},
      {"very brief", "brief"},   {"terse", "brief"},      {"in one sentence", "brief"},
      {"to the point", "brief"}, {"long", "long"},        {"longer", "long"},
      {"at length", "long"},     {"in depth", "long"},    {"short and simple", "brief"},
  };
  return table;
}

const Dictionary& details() {
  static const Dictionary table = {
      {"detailed", "high"}, {"more detailed", "high"}, {"in detail", "high"},
      {"thorough", "high"}, {"more thorough", "high"}, {"high-level", "low"},
  };
  return table;
}

const Dictionary& tones() {
  static const Dictionary table = {
      {"formal", "formal"},        {"more formal", "formal"},     {"polite", "formal"},
      {"friendly", "friendly"},    {"more friendly", "friendly"}, {"friendlier", "friendly"},
      {"casual", "friendly"},      {"more casual", "friendly"},   {"warm", "friendly"},
      {"less formal", "friendly"}, {"playful", "playful"},        {"funny", "playful"},
      {"direct", "direct"},        {"more direct", "direct"},     {"blunt", "direct"},
      {"neutral", "neutral"},
  };
  return table;
}

const Dictionary& companions() {
  static const Dictionary table = [] {
    Dictionary names;
    for (const char* word :
         {"dog",      "dogs",   "cat",    "cats",      "kid",       "kids",     "child",
          "children", "son",    "sons",   "daughter",  "daughters", "baby",     "rabbit",
          "horse",    "parrot", "puppy",  "kitten",    "brother",   "brothers", "sister",
          "sisters",  "twins",  "garden", "allotment", "motorbike", "tortoise", "hamster"}) {
      names[word] = word;
    }
    return names;
  }();
  return table;
}

const Dictionary& occupations() {
  static const Dictionary table = [] {
    Dictionary names;
    for (const char* word : {"accountant",
                             "actor",
                             "architect",
                             "artist",
                             "baker",
                             "biologist",
                             "builder",
                             "carpenter",
                             "chef",
                             "chemist",
                             "cleaner",
                             "cook",
                             "data scientist",
                             "dentist",
                             "designer",
                             "developer",
                             "doctor",
                             "driver",
                             "economist",
                             "electrician",
                             "engineer",
                             "farmer",
                             "firefighter",
                             "gardener",
                             "hairdresser",
                             "historian",
                             "journalist",
                             "lawyer",
                             "librarian",
                             "manager",
                             "mathematician",
                             "mechanic",
                             "midwife",
                             "musician",
                             "nurse",
                             "paramedic",
                             "pharmacist",
                             "philosopher",
                             "photographer",
                             "physicist",
                             "pilot",
                             "plumber",
                             "policeman",
                             "politician",
                             "professor",
                             "programmer",
                             "psychologist",
                             "researcher",
                             "sailor",
                             "scientist",
                             "secretary",
                             "shopkeeper",
                             "social worker",
                             "software developer",
                             "software engineer",
                             "soldier",
                             "student",
                             "surgeon",
                             "teacher",
                             "therapist",
                             "translator",
                             "vet",
                             "waiter",
                             "waitress",
                             "writer"}) {
      names[word] = word;
    }
    return names;
  }();
  return table;
}

// How a rule is written: words apart by spaces; `a|b` either; `word?` may be missing; `{name}` one
// entry of a dictionary; `{*n}` one to n words as the user wrote them; `{#}` a number. After the
// last item a clause may go on only with a word of `may_follow`.
struct Rule {
  StatementKind kind;
  std::string_view attribute;
  std::string_view value;  // "" takes what was captured
  std::string_view pattern;
};

constexpr StatementKind kSetting = StatementKind::kSetting;
constexpr StatementKind kFact = StatementKind::kFact;
constexpr StatementKind kRetraction = StatementKind::kRetraction;

// Order matters: the first rule that fits a clause is the one that counts.
constexpr Rule kRules[] = {
    {kSetting, "name", "", "call me {*3}"},
    {kSetting, "name", "", "you can|may call me {*3}"},
    {kSetting, "name", "", "address me as {*3}"},
    {kSetting, "name", "", "my name is {*3}"},
    {kSetting, "name", "", "my name's {*3}"},
    {kSetting, "name", "", "ll\u00e1mame {*3}"},
    {kSetting, "name", "", "nenn mich {*3}"},
    {kSetting, "name", "", "appelle-moi {*3}"},
    {kSetting, "language", "",
     "answer|reply|respond|write|speak|talk to? me? only? always? in? {language}"},
    {kSetting, "language", "", "answer|reply|respond me? always|only in {language}"},
    {kSetting, "language", "", "only? in {language}"},
    {kSetting, "language", "", "use {language}"},
    {kSetting, "language", "", "i'd? i? would? prefer answers in {language}"},
    {kSetting, "language", "", "responde|contesta|habla en {language}"},
    {kSetting, "language", "", "antworte auf {language}"},
    {kSetting, "language", "", "r\u00e9ponds en {language}"},
    {kSetting, "length", "", "answer|reply|respond to? me? more? {length}"},
    {kSetting, "length", "", "be {length}"},
    {kSetting, "length", "", "keep it|them|things|everything {length}"},
    {kSetting, "length", "", "keep your|the|all answers|replies|responses {length}"},
    {kSetting, "length", "", "keep answers|replies|responses {length}"},
    {kSetting, "length", "", "make your answers|replies|responses {length}"},
    {kSetting, "length", "", "give me only? {length} answers|replies|responses"},
    {kSetting, "length", "", "i like|want|prefer {length} answers|replies|responses"},
    {kSetting, "length", "", "{length} answers|replies|responses only?"},
    {kSetting, "detail", "", "give me {detail} answers|replies|responses|explanations"},
    {kSetting, "detail", "", "i like|want|prefer {detail} answers|replies|responses|explanations"},
    {kSetting, "detail", "", "be {detail}"},
    {kSetting, "detail", "", "answer|reply|respond {detail}"},
    {kSetting, "tone", "", "be {tone}"},
    {kSetting, "tone", "", "use a {tone} tone"},
    {kSetting, "tone", "", "keep it|your? tone? {tone}"},
    {kSetting, "format", "bullets", "use|answer|reply in|with? bullet points"},
    {kSetting, "format", "bullets", "use bullets"},
    {kSetting, "format", "steps", "use|answer|reply in|with? numbered steps"},
    {kSetting, "format", "plain", "no markdown"},
    {kSetting, "format", "plain", "don't|never use markdown"},
    {kSetting, "format", "plain", "use plain text"},
    {kSetting, "format", "markdown", "use|answer|reply in|with? markdown"},

    {kRetraction, "diet", "", "i'm|im not|no longer? {diet}"},
    {kRetraction, "diet", "", "i am not|no longer? {diet}"},
    {kRetraction, "diet", "", "i used to be {diet}"},
    {kRetraction, "diet", "", "i stopped being {diet}"},
    {kRetraction, "likes", "", "i no longer like|love|enjoy {*6}"},
    {kRetraction, "lives in", "", "i no longer live in {*4}"},
    {kRetraction, "occupation", "", "i'm no longer a|an {occupation}"},
    {kRetraction, "occupation", "", "i am no longer a|an {occupation}"},
    {kRetraction, "diet", "", "forget that? i'm|im {diet}"},
    {kRetraction, "diet", "", "forget that? i am {diet}"},
    {kRetraction, "likes", "", "forget that? i like|love|enjoy {*6}"},
    {kRetraction, "lives in", "", "forget that? i live in {*4}"},
    {kRetraction, "lives in", "", "forget where i live"},
    {kRetraction, "occupation", "", "forget what i do"},

    {kFact, "diet", "", "i'm|im a? strict? strictly? {diet}"},
    {kFact, "diet", "", "i am a? strict? strictly? {diet}"},
    {kFact, "diet", "", "i've been {diet}"},
    {kFact, "diet", "", "i became|went|turned {diet}"},
    {kFact, "diet", "", "i only? eat {diet}"},
    {kFact, "diet", "", "soy {diet-elsewhere}"},
    {kFact, "diet", "", "ich bin {diet-elsewhere}"},
    {kFact, "diet", "", "je suis {diet-elsewhere}"},
    {kFact, "allergy", "", "i'm|im allergic to {*5}"},
    {kFact, "allergy", "", "i am allergic to {*5}"},
    {kFact, "allergy", "", "i have a|an severe? {*2} allergy"},
    {kFact, "avoids", "", "i don't|never|can't|cannot eat|drink {*5}"},
    {kFact, "avoids", "", "i do not eat|drink {*5}"},
    {kFact, "dislikes", "", "i don't like|enjoy {*6}"},
    {kFact, "dislikes", "", "i do not like|enjoy {*6}"},
    {kFact, "dislikes", "", "i really? hate|dislike|despise {*6}"},
    {kFact, "dislikes", "", "i can't stand {*6}"},
    {kFact, "likes", "", "i really? like|love|enjoy|adore {*6}"},
    {kFact, "likes", "", "i'm|im a fan of {*6}"},
    {kFact, "prefers", "", "i prefer {*6}"},
    {kFact, "lives in", "", "i live in {*4}"},
    {kFact, "lives in", "", "i'm|im living|based in {*4}"},
    {kFact, "lives in", "", "i moved to {*4}"},
    {kFact, "lives in", "", "i just moved to {*4}"},
    {kFact, "comes from", "", "i'm|im originally? from {*4}"},
    {kFact, "comes from", "", "i am originally? from {*4}"},
    {kFact, "occupation", "", "i work as a|an {*4}"},
    {kFact, "occupation", "", "i'm|im a|an {occupation}"},
    {kFact, "occupation", "", "i am a|an {occupation}"},
    {kFact, "works at", "", "i work at|for {*4}"},
    {kFact, "age", "", "i'm|im {#} years old"},
    {kFact, "age", "", "i am {#} years old"},
    {kFact, "speaks", "", "i speak {language}"},
    {kFact, "learns", "", "i'm|im learning {*4}"},
    {kFact, "learns", "", "i am learning {*4}"},
    {kFact, "plays", "", "i play {*4}"},
    {kFact, "has", "", "i have|own a|an|two|three|four|2|3|4 {companion}"},
    {kFact, "has", "", "i've got a|an|two|three|four|2|3|4 {companion}"},
};

const Dictionary* dictionary(std::string_view name) {
  if (name == "diet") return &diets();
  if (name == "diet-elsewhere") return &diets_elsewhere();
  if (name == "language") return &languages();
  if (name == "length") return &lengths();
  if (name == "detail") return &details();
  if (name == "tone") return &tones();
  if (name == "companion") return &companions();
  if (name == "occupation") return &occupations();
  return nullptr;
}

bool is_in(std::string_view word, std::string_view space_separated) {
  for (std::size_t from = 0; from < space_separated.size();) {
    std::size_t to = space_separated.find(' ', from);
    if (to == std::string_view::npos) to = space_separated.size();
    if (space_separated.substr(from, to - from) == word) return true;
    from = to + 1;
  }
  return false;
}

// A dictionary value may be followed by these and still be the whole statement ("vegetarian since
// 2019", not "vegetarian curious").
constexpr std::string_view kMayFollow =
    "please by btw now too also though since for because so and but as who at in these from when "
    "if thanks actually "
    "anymore any always again or to with on myself however";
// Free text ends before these.
constexpr std::string_view kEndsFreeText =
    "please btw because so but since though if when while who which that from now instead "
    "thanks anymore i i'm "
    "what where how by too";
// Free text that begins with these is no lasting property: "I love you", "call me later", "I like
// it".
constexpr std::string_view kNoFreeText =
    "it that this these those your you yours him her them what how when where if later tomorrow "
    "back maybe a an the to crazy again anytime whatever something anything everything nothing not "
    "and or with around along much more less right enough yet before after option";
// But these may begin one where it is not a name: "I love to cook", "I like the sea".
constexpr std::string_view kFreeTextMayOpen = "a an the to";
// Unless one of these follows: "I like the second one", "I'm learning a lot", "I hate to say".
constexpr std::string_view kPassing =
    "first second third last next previous same other former latter way idea one option lot bit "
    "say think know hear ask mention bother admit";
// "Call me old-fashioned, but …", "I work at night": words that look like what is asked for.
constexpr std::string_view kNoName =
    "old old-fashioned stupid silly paranoid lazy ignorant picky weird names out today tonight";
constexpr std::string_view kNoEmployer = "night nights home free hours myself weekends least";

struct Match {
  std::string value;
  std::size_t end = 0;  // words used
};

class Matcher {
 public:
  Matcher(const Rule& rule, const std::vector<ClauseWord>& words) : rule_(rule), words_(words) {}

  std::optional<Match> run() { return match(0, 0, ""); }

 private:
  // Patterns have at most eight items and three optional ones, so plain backtracking stays tiny.
  std::optional<Match> match(std::size_t at, std::size_t word, std::string value) {
    if (at >= rule_.pattern.size()) return finish(word, std::move(value));
    std::size_t end = rule_.pattern.find(' ', at);
    if (end == std::string_view::npos) end = rule_.pattern.size();
    std::string_view item = rule_.pattern.substr(at, end - at);
    const std::size_t next = end + 1;

    if (item.front() == '{') return capture(item.substr(1, item.size() - 2), next, word);
    const bool optional = item.back() == '?';
    if (optional) item.remove_suffix(1);
    if (word < words_.size() && matches(item, words_[word].folded)) {
      if (auto found = match(next, word + 1, value)) return found;
    }
    return optional ? match(next, word, std::move(value)) : std::nullopt;
  }

  static bool matches(std::string_view alternatives, std::string_view word) {
    for (std::size_t from = 0; from <= alternatives.size();) {
      std::size_t to = alternatives.find('|', from);
      if (to == std::string_view::npos) to = alternatives.size();
      if (alternatives.substr(from, to - from) == word) return true;
      from = to + 1;
    }
    return false;
  }

  std::optional<Match> capture(std::string_view name, std::size_t next, std::size_t word) {
    if (name == "#") {
      if (word == words_.size()) return std::nullopt;
      const std::string& number = words_[word].folded;
      if (number.size() > 3 || !std::all_of(number.begin(), number.end(),
                                            [](unsigned char c) { return c >= '0' && c <= '9'; })) {
        return std::nullopt;
      }
      return match(next, word + 1, number);
    }
    if (name.front() == '*') return free_text(static_cast<std::size_t>(name[1] - '0'), next, word);
    const Dictionary* entries = dictionary(name);
    for (std::size_t length = 3; length >= 1; --length) {
      if (word + length > words_.size()) continue;
      std::string key;
      for (std::size_t i = word; i < word + length; ++i) {
        if (!key.empty()) key += ' ';
        key += words_[i].folded;
      }
      const auto found = entries->find(key);
      if (found == entries->end()) continue;
      if (auto matched = match(next, word + length, found->second)) return matched;
    }
    return std::nullopt;
  }

  std::optional<Match> free_text(std::size_t most, std::size_t next, std::size_t word) {
    if (word == words_.size()) return std::nullopt;
    const std::string& first = words_[word].folded;
    const bool is_name = rule_.attribute == "name";
    if (is_in(first, kNoFreeText) && (is_name || !is_in(first, kFreeTextMayOpen)))
      return std::nullopt;
    if (is_in(first, kFreeTextMayOpen) && word + 1 < words_.size() &&
        is_in(words_[word + 1].folded, kPassing))
      return std::nullopt;
    if (is_name && is_in(first, kNoName)) return std::nullopt;
    if (rule_.attribute == "works at" && is_in(first, kNoEmployer)) return std::nullopt;
    std::size_t end = word;
    while (end < words_.size() && end - word < most && !is_in(words_[end].folded, kEndsFreeText))
      ++end;
    for (; end > word; --end) {
      const char* begin = words_[word].text.data();
      const std::string_view last = words_[end - 1].text;
      std::string value(begin, static_cast<std::size_t>(last.data() + last.size() - begin));
      if (auto found = match(next, end, std::move(value))) return found;
      // A shorter capture only helps when something fixed has to follow it.
      if (next >= rule_.pattern.size()) break;
    }
    return std::nullopt;
  }

  std::optional<Match> finish(std::size_t word, std::string value) const {
    if (word < words_.size() && !is_in(words_[word].folded, kMayFollow) &&
        !is_in(words_[word].folded, kEndsFreeText)) {
      return std::nullopt;
    }
    // "Reply in German to this mail" is one task and no lasting wish.
    if (rule_.kind == kSetting && word < words_.size() && words_[word].folded == "to")
      return std::nullopt;
    return Match{rule_.value.empty() ? std::move(value) : std::string(rule_.value), word};
  }

  const Rule& rule_;
  const std::vector<ClauseWord>& words_;
};

bool may_state(const Clause& clause, StatementKind kind) {
  if (kind == kSetting) return !clause.hypothetical || clause.first;
  return !clause.hypothetical && !clause.question;
}

}  // namespace

std::vector<Statement> find_statements(std::string_view message) {
  std::vector<Statement> found;
  for (const Clause& clause : split_clauses(base::truncate(message, kMaxRead))) {
    for (const Rule& rule : kRules) {
      if (!may_state(clause, rule.kind)) continue;
      auto match = Matcher(rule, clause.words).run();
      if (!match) continue;
      Statement statement{rule.kind, std::string(rule.attribute), std::move(match->value),
                          std::string(clause.text)};
      if (std::find(found.begin(), found.end(), statement) == found.end()) {
        found.push_back(std::move(statement));
      }
      break;
    }
    if (found.size() == kMaxStatements) break;
  }
  return found;
}

}  // namespace rapport::profile
