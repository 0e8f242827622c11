#include "rapport/palr/written_lists.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <optional>

#include "rapport/base/json_member.h"
#include "rapport/base/text.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/ranking_metrics.h"
#include "rapport/palr/option_json.h"
#include "rapport/palr/prompts.h"

namespace rapport::palr {
namespace {

using Items = std::span<const data::ItemIndex>;

constexpr const char* kKind = "lists";
/// Of an answer, for each name that is asked for: twice what a long title takes.
constexpr std::int64_t kTokensOfAName = 48;

/// Without "- ", "* ", "• ", "12. " or "12) " in front.
std::string_view without_bullet(std::string_view line) {
  line = base::trim(line);
  for (const std::string_view bullet : {"- ", "* ", "• "})
    if (line.starts_with(bullet)) return base::trim(line.substr(bullet.size()));
  const std::size_t digits = line.find_first_not_of("0123456789");
  if (digits == 0 || digits > 3 || digits == line.npos) return line;
  const std::string_view rest = line.substr(digits);
  // "1984 (1984)" is a title, "12. Alien (1979)" a number and one.
  return rest.starts_with(". ") || rest.starts_with(") ") ? base::trim(rest.substr(2)) : line;
}

/// What came of all lists.
struct Totals {
  std::int64_t users = 0;
  double weights = 0, names = 0, hallucinated = 0, taken = 0, items = 0, hits = 0, gain = 0;

  void add(const WrittenList& list, const AskedUser& user) {
    const auto weight = static_cast<double>(user.weight);
    ++users;
    weights += weight;
    names += weight * static_cast<double>(list.names.size());
    hallucinated += weight * static_cast<double>(list.hallucinations.size());
    taken += weight * static_cast<double>(list.taken);
    items += weight * static_cast<double>(list.items.size());
    const auto found = std::ranges::find(list.items, user.held_out.target);
    if (found == list.items.end()) return;
    const auto rank = found - list.items.begin();
    hits += weight * evaluation::hit_rate_at(10).of(rank);
    gain += weight * evaluation::ndcg_at(10).of(rank);
  }

  Json to_json() const {
    const auto share = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
    return {{"users", users},
            {"names", share(names, weights)},
            {"hallucinated", share(hallucinated, names)},
            {"taken", share(taken, names)},
            {"repeated", share(names - hallucinated - taken - items, names)},
            {"items", share(items, weights)},
            {"hr@10", share(hits, weights)},
            {"ndcg@10", share(gain, weights)}};
  }
};

class Writer {
 public:
  Writer(const data::Dataset& dataset, language::EmbeddedModel& model, const Questions& questions,
         const WrittenListOptions& options, const AskingContext& context)
      : dataset_(dataset),
        model_(model),
        questions_(questions),
        options_(options),
        context_(context),
        index_(dataset.catalogue()) {}

  WrittenList read(std::string_view answer, bool is_whole, Items history) const {
    return read_list(answer, is_whole, options_.count, index_, history);
  }

  /// The answers for these histories, side by side.
  Result<std::vector<Json>> write(std::span<const AskedUser> users) {
    std::vector<std::future<Result<language::Completion>>> waited;
    for (const AskedUser& user : users) {
      language::GenerateRequest request;
      TRY(request.messages, questions_.recommend_messages(user.held_out.history, options_.count));
      request.sampling.temperature = 0;
      request.max_tokens = static_cast<std::int32_t>(options_.count * kTokensOfAName);
      request.stop_token = context_.stop_token;
      auto promise = std::make_shared<std::promise<Result<language::Completion>>>();
      waited.push_back(promise->get_future());
      model_.generate(std::move(request),
                      {.on_delta = {}, .on_done = [promise](Result<language::Completion> done) {
                         promise->set_value(std::move(done));
                       }});
    }
    std::vector<Json> lines;
    std::optional<Error> error;
    for (std::size_t i = 0; i < waited.size(); ++i) {
      auto answer = waited[i].get();  // of all: none may come after this returns
      if (!answer) {
        error = std::move(answer).error();
      } else {
        lines.push_back(to_json(*answer, users[i].held_out.history));
      }
    }
    if (error) return fail(*std::move(error));
    return lines;
  }

 private:
  Json to_json(const language::Completion& answer, Items history) const {
    const bool is_whole = answer.finish_reason == language::FinishReason::kStop;
    const WrittenList list = read(answer.text, is_whole, history);
    Json items = Json::array();
    for (const data::ItemIndex item : list.items) items.push_back(dataset_.catalogue().id(item));
    return {{"answer", answer.text},
            {"whole", is_whole},
            {"items", std::move(items)},
            {"hallucinations", list.hallucinations}};
  }

  const data::Dataset& dataset_;
  language::EmbeddedModel& model_;
  const Questions& questions_;
  const WrittenListOptions& options_;
  const AskingContext& context_;
  const TitleIndex index_;
};

}  // namespace

void WrittenListOptions::describe(base::OptionSet& set) {
  set.add("count", count, "names that are asked for, and read", 1, 100);
  question.describe_shown(set);
  question.describe(set);
}

Json WrittenListOptions::to_json() const {
  return option_json(*this);
}

WrittenList read_list(std::string_view answer, bool is_whole, std::int64_t count,
                      const TitleIndex& index, Items history) {
  WrittenList list;
  for (std::size_t begin = 0; begin < answer.size();) {
    const std::size_t end = std::min(answer.find('\n', begin), answer.size());
    if (end == answer.size() && !is_whole) break;
    const std::string_view name = without_bullet(answer.substr(begin, end - begin));
    begin = end + 1;
    if (name.empty()) continue;
    if (static_cast<std::int64_t>(list.names.size()) == count) break;
    list.names.emplace_back(name);
    const auto match = index.find(name);
    if (!match) {
      list.hallucinations.emplace_back(name);
    } else if (holds(history, match->item)) {
      ++list.taken;
    } else if (!holds(list.items, match->item)) {
      list.items.push_back(match->item);
    }
  }
  return list;
}

Result<Json> write_lists(const data::Dataset& dataset, data::Split split, const Lot& users,
                         language::EmbeddedModel& model, std::int64_t side_by_side,
                         const WrittenListOptions& options, const std::filesystem::path& path,
                         const AskingContext& context) {
  const auto start = context.clock.steady();
  TRY(const Questions questions, Questions::create(dataset, model, options.question));
  Writer writer(dataset, model, questions, options, context);
  struct Answer {
    std::string text;
    bool is_whole = false;
  };
  std::map<AskedKey, Answer> answers;
  const Json header = AnswerFile::header(
      kKind, dataset, &model, context,
      {{"options", options.to_json()}, {"prompt", prompt_digest(prompts::kRecommend)}});
  TRY(AnswerFile file,
      AnswerFile::begin(path, header, dataset,
                        [&](const AskedKey& key, float, const Json& json) -> std::string {
                          const Json* text = base::member(json, "answer", &Json::is_string);
                          const Json* is_whole = base::member(json, "whole", &Json::is_boolean);
                          if (text == nullptr || is_whole == nullptr) return "it has no answer";
                          answers[key] = {text->get<std::string>(), is_whole->get<bool>()};
                          return "";
                        }));
  const std::vector<AskedUser> wanted = users_to_ask(dataset, split, users);
  TRY(const std::int64_t written,
      ask_each(
          file, wanted, static_cast<std::size_t>(side_by_side),
          [&](std::span<const AskedUser> group) { return writer.write(group); }, context));
  Totals totals;
  for (const AskedUser& each : wanted) {
    const Answer& own = answers[each.key()];
    totals.add(writer.read(own.text, own.is_whole, each.held_out.history), each);
  }
  Json report = totals.to_json();
  report["written"] = written;
  report["seconds"] = std::chrono::duration<double>(context.clock.steady() - start).count();
  return report;
}

}  // namespace rapport::palr
