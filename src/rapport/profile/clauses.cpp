#include "rapport/profile/clauses.h"

#include <algorithm>
#include <initializer_list>

#include "rapport/base/text.h"

namespace rapport::profile {
namespace {

using Phrase = std::vector<std::string_view>;

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What may stand before a statement without changing it. Longest first.
const std::vector<Phrase>& fillers() {
  static const std::vector<Phrase> table = {
      {"just", "so", "you", "know"},
      {"for", "the", "record"},
      {"from", "now", "on"},
      {"can", "you", "please"},
      {"could", "you", "please"},
      {"would", "you", "please"},
      {"by", "the", "way"},
      {"in", "case", "it", "matters"},
      {"keep", "in", "mind", "that"},
      {"keep", "in", "mind"},
      {"please", "remember", "that"},
      {"remember", "that"},
      {"note", "that"},
      {"you", "should", "know"},
      {"i", "should", "mention"},
      {"in", "future"},
      {"in", "the", "future"},
      {"can", "you"},
      {"could", "you"},
      {"would", "you"},
      {"will", "you"},
      {"of", "course"},
      {"please"},
      {"btw"},
      {"fyi"},
      {"also"},
      {"actually"},
      {"well"},
      {"oh"},
      {"ok"},
      {"okay"},
      {"hi"},
      {"hey"},
      {"hello"},
      {"thanks"},
      {"and"},
      {"but"},
      {"so"},
      {"since"},
      {"because"},
      {"as"},
      {"remember"},
      {"yes"},
      {"no"},
      {"anyway"},
      {"honestly"},
      {"sorry"},
      {"always"},
      {"just"},
      {"then"},
  };
  return table;
}

// First words of sentences whose content is not the user's own statement: questions, suppositions,
// and tasks set on words that follow ("Translate: I'm vegetarian").
bool opens_no_statement(std::string_view word) {
  return is_one_of(
      word, {"if",       "what",      "what's",  "suppose",   "supposing",  "imagine",   "pretend",
             "assume",   "assuming",  "say",     "when",      "whenever",   "unless",    "would",
             "should",   "could",     "can",     "do",        "does",       "did",       "am",
             "is",       "are",       "was",     "were",      "why",        "how",       "who",
             "where",    "which",     "whether", "roleplay",  "act",        "translate", "rewrite",
             "rephrase", "correct",   "fix",     "summarise", "summarize",  "explain",   "write",
             "compose",  "proofread", "define",  "draft",     "complete",   "continue",  "repeat",
             "classify", "analyse",   "analyze", "edit",      "paraphrase", "improve",   "shorten",
             "polish",   "simplify"});
}

// First words of sentences that set a task on a text, which then follows.
bool opens_text_task(std::string_view word) {
  return is_one_of(word, {"translate", "rewrite", "rephrase", "correct", "fix", "summarise",
                          "summarize", "proofread", "classify", "analyse", "analyze", "edit",
                          "paraphrase", "improve", "shorten", "polish", "simplify"});
}

bool points_at_a_text(std::string_view word) {
  return is_one_of(
      word, {"this", "these", "following", "below", "text", "sentence", "sentences", "paragraph",
             "passage", "email", "mail", "letter", "message", "essay", "grammar", "spelling"});
}

bool any_of(const std::vector<ClauseWord>& words, bool (*is)(std::string_view)) {
  return std::any_of(words.begin(), words.end(),
                     [is](const ClauseWord& word) { return is(word.folded); });
}

// "My sister says", "he wrote to me", but not "as I said": what follows is another's.
bool reports_another(const std::vector<ClauseWord>& words) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i - 1].folded != "i" &&
        is_one_of(words[i].folded, {"said", "says", "wrote", "writes", "told", "tells", "asked",
                                    "asks", "replied", "answered", "claims", "claimed"})) {
      return true;
    }
  }
  return false;
}

// "Alice:" of a transcript, but not "Note:" or "About me:".
bool names_a_speaker(const std::vector<ClauseWord>& words) {
  return words.size() <= 2 && !any_of(words, [](std::string_view word) {
           return is_one_of(word, {"note",        "notes", "important",  "ps",       "fyi",
                                   "btw",         "info",  "hint",       "reminder", "context",
                                   "background",  "diet",  "allergies",  "allergy",  "preference",
                                   "preferences", "thing", "question",   "update",   "request",
                                   "me",          "my",    "myself",     "also",     "please",
                                   "remember",    "hi",    "hello",      "hey",      "language",
                                   "style",       "way",   "correction", "profile",  "facts"});
         });
}

// After "and" or "but", only such a word begins a clause of its own; "cats and dogs" stays
// together.
bool opens_clause(std::string_view word) {
  return is_one_of(word,
                   {"i",       "i'm",   "i've",  "i'd",   "im",     "my",     "you",     "what",
                    "please",  "can",   "could", "how",   "answer", "reply",  "respond", "call",
                    "keep",    "be",    "the",   "it",    "he",     "she",    "they",    "we",
                    "do",      "don't", "use",   "speak", "write",  "tell",   "give",    "would",
                    "should",  "which", "where", "when",  "who",    "why",    "never",   "always",
                    "have",    "need",  "want",  "let's", "let",    "hate",   "love",    "like",
                    "dislike", "live",  "work",  "am",    "eat",    "prefer", "play"});
}

bool starts_with(const std::vector<ClauseWord>& words, const Phrase& phrase) {
  if (words.size() < phrase.size()) return false;
  for (std::size_t i = 0; i < phrase.size(); ++i) {
    if (words[i].folded != phrase[i]) return false;
  }
  return true;
}

void drop_fillers(std::vector<ClauseWord>& words) {
  for (bool dropped = true; dropped;) {
    dropped = false;
    for (const Phrase& filler : fillers()) {
      if (words.size() > filler.size() && starts_with(words, filler)) {
        words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(filler.size()));
        dropped = true;
        break;
      }
    }
  }
}

std::string fold(std::string_view word) {
  std::string folded = base::fold_case(word);
  // Phones write the typographic apostrophe.
  static constexpr std::string_view kCurly = "\u2019";
  for (std::size_t at; (at = folded.find(kCurly)) != std::string::npos;) {
    folded.replace(at, kCurly.size(), "'");
  }
  return folded;
}

struct Piece {
  std::size_t begin = 0;
  std::size_t end = 0;
  char stop = 0;  // what ended it: . ! ? ; , : or newline; 0 at the end
};

// Overwrites quotations, code and quoted lines with line ends, byte for byte, so that positions
// still fit the message. A short quotation that is no sentence ("call me "Sam"") only loses its
// marks.
std::string without_quotations(std::string_view message) {
  std::string text(message);
  const auto blank = [&](std::size_t from, std::size_t to, char with) {
    std::fill(text.begin() + static_cast<std::ptrdiff_t>(from),
              text.begin() + static_cast<std::ptrdiff_t>(to), with);
  };
  struct Marks {
    std::string_view open, close;
    bool code;
  };
  static constexpr Marks kMarks[] = {
      {"```", "```", true},        {"`", "`", true},
      {"\"", "\"", false},         {"\u201c", "\u201d", false},
      {"\u00ab", "\u00bb", false}, {"\u201e", "\u201c", false},
  };
  for (const Marks& marks : kMarks) {
    std::size_t from = 0;
    while ((from = text.find(marks.open, from)) != std::string::npos) {
      const std::size_t inside = from + marks.open.size();
      const std::size_t close = text.find(marks.close, inside);
      if (close == std::string::npos) {
        // An opened fence runs to the end; a lone mark is an inch sign or a slip.
        if (marks.open == "```") blank(from, text.size(), '\n');
        break;
      }
      const auto quoted = base::words(std::string_view(text).substr(inside, close - inside));
      const bool sentence =
          marks.code || quoted.size() > 2 ||
          (!quoted.empty() && is_one_of(fold(quoted.front()), {"i", "i'm", "im", "my", "call"}));
      if (sentence) {
        blank(from, close + marks.close.size(), '\n');
      } else {
        blank(from, inside, ' ');
        blank(close, close + marks.close.size(), ' ');
      }
      from = close + marks.close.size();
    }
  }
  for (std::size_t line = 0; line < text.size();) {
    std::size_t end = text.find('\n', line);
    if (end == std::string::npos) end = text.size();
    const std::size_t first = text.find_first_not_of(" \t", line);
    // Quoted mail, and comments of code that nobody fenced.
    if (first != std::string::npos && first < end &&
        (text[first] == '>' || text[first] == '#' || text.compare(first, 2, "//") == 0)) {
      blank(line, end, '\n');
    }
    line = end + 1;
  }
  return text;
}

std::vector<Piece> split_at_marks(const std::string& text) {
  std::vector<Piece> pieces;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool at_end = i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\n' ||
                        text[i + 1] == '\t' || text[i + 1] == '\r' || text[i + 1] == ')';
    const bool stop = c == '\n' || c == '!' || c == '?' || c == ';' || c == '(' || c == ')' ||
                      // "3.5", "1,000", "10:30" and "example.org" are one word.
                      ((c == '.' || c == ',' || c == ':') && at_end);
    // The em dash and the spaced hyphen part clauses as a comma does.
    const bool dash = text.compare(i, 3, "\u2014") == 0 || text.compare(i, 3, " - ") == 0;
    if (!stop && !dash) continue;
    pieces.push_back({begin, i, dash || c == '(' || c == ')' ? ',' : c});
    if (dash) i += 2;
    begin = i + 1;
  }
  if (begin < text.size()) pieces.push_back({begin, text.size(), 0});
  return pieces;
}

bool ends_sentence(char stop) {
  return stop != ',' && stop != ':';
}

}  // namespace

std::vector<Clause> split_clauses(std::string_view message) {
  const std::string text = without_quotations(message);
  const std::vector<Piece> pieces = split_at_marks(text);
  std::vector<Clause> clauses;
  bool sentence_start = true;
  bool hypothetical = false;
  bool others_words = false;  // "Translate this:" makes all that follows somebody else's words
  bool text_task = false;     // the sentence asks to do something to a text
  bool text_is_near = false;  // and points at it

  const auto flush = [&](std::vector<ClauseWord> words, bool question) {
    if (words.empty()) return;
    const char* begin = words.front().text.data();
    const std::string_view last = words.back().text;
    const auto size = static_cast<std::size_t>(last.data() + last.size() - begin);
    Clause clause{std::move(words), std::string_view(begin, size), question, false, sentence_start};
    if (sentence_start) {
      // Asked before the fillers go: "can you answer in Spanish?" asks for a setting and supposes
      // nothing.
      std::vector<ClauseWord> rest = clause.words;
      drop_fillers(rest);
      hypothetical = !rest.empty() && opens_no_statement(rest.front().folded);
      text_task = !rest.empty() && opens_text_task(rest.front().folded);
      text_is_near = false;
      sentence_start = false;
    }
    text_is_near = text_is_near || any_of(clause.words, points_at_a_text);
    clause.hypothetical = hypothetical || others_words;
    clause.first = clause.first && !others_words;
    drop_fillers(clause.words);
    clauses.push_back(std::move(clause));
  };

  for (const Piece& piece : pieces) {
    const std::string_view view = message.substr(piece.begin, piece.end - piece.begin);
    // Blanked quotations are gone from `text` but not from `message`: take words only where both
    // agree.
    std::vector<ClauseWord> words;
    for (const std::string_view word :
         base::words(std::string_view(text).substr(piece.begin, piece.end - piece.begin))) {
      const auto offset = static_cast<std::size_t>(word.data() - text.data());
      words.push_back({fold(word), view.substr(offset - piece.begin, word.size())});
    }
    std::vector<ClauseWord> clause;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const bool joins = is_one_of(words[i].folded, {"and", "but", "so", "because"});
      if (joins && !clause.empty() && i + 1 < words.size() && opens_clause(words[i + 1].folded)) {
        flush(std::move(clause), false);
        clause = {};
        continue;
      }
      clause.push_back(words[i]);
    }
    flush(std::move(clause), piece.stop == '?');
    const bool reported = reports_another(words);
    if (piece.stop == ':' && (hypothetical || reported)) others_words = true;
    if (reported || (piece.stop == ':' && names_a_speaker(words))) hypothetical = true;
    if (ends_sentence(piece.stop)) {
      if (text_task && (text_is_near || piece.stop == '\n')) others_words = true;
      sentence_start = true;
      hypothetical = false;
    }
  }
  return clauses;
}

}  // namespace rapport::profile
