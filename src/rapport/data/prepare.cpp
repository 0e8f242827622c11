#include "rapport/data/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "rapport/data/core_filter.h"
#include "rapport/data/id_hash.h"

namespace rapport::data {
namespace {

constexpr std::int32_t kNobody = -1;

std::size_t index(std::int32_t number) {
  return static_cast<std::size_t>(number);
}

/// Positions in the source's arrays, user after user, each user's in the file's order.
std::vector<std::size_t> group_by_user(const Source& source) {
  std::vector<std::size_t> next(source.users.size() + 1);
  for (const std::int32_t user : source.user) ++next[index(user) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<std::size_t> order(source.user.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[next[index(source.user[i])]++] = i;
  return order;
}

/// Keeps a user's first interaction with each item. `order` is grouped by user.
void drop_duplicates(const Source& source, std::vector<std::size_t>& order) {
  std::vector<std::int32_t> last_user(source.items.size(), kNobody);  // to have had the item
  std::erase_if(order, [&](std::size_t i) {
    std::int32_t& last = last_user[index(source.item[i])];
    return std::exchange(last, source.user[i]) == source.user[i];
  });
}

/// By time within each user, the file's order among equals.
void sort_by_time(const Source& source, std::vector<std::size_t>& order) {
  if (source.time_ms.empty()) return;
  auto begin = order.begin();
  while (begin != order.end()) {
    const auto end = std::find_if(
        begin, order.end(), [&](std::size_t i) { return source.user[i] != source.user[*begin]; });
    std::stable_sort(begin, end, [&](std::size_t a, std::size_t b) {
      return source.time_ms[a] < source.time_ms[b];
    });
    begin = end;
  }
}

/// The interactions of the k-core, in the same order.
void keep_core(const Source& source, std::int64_t k, std::vector<std::size_t>& order) {
  std::vector<std::int32_t> user, item;
  user.reserve(order.size());
  item.reserve(order.size());
  for (const std::size_t i : order) {
    user.push_back(source.user[i]);
    item.push_back(source.item[i]);
  }
  const Core core = k_core(user, item, source.users.size(), source.items.size(), k);
  std::erase_if(order, [&](std::size_t i) {
    return !core.has_user[index(source.user[i])] || !core.has_item[index(source.item[i])];
  });
}

/// Old numbers to new ones, and back: those that `order` still has, by the hash of their ids.
struct Numbering {
  std::vector<std::int32_t> new_of;  // [old] kNobody for those who are gone
  std::vector<std::int32_t> old_of;  // [new]

  Numbering(const IdTable& ids, const std::vector<std::int32_t>& numbers,
            const std::vector<std::size_t>& order)
      : new_of(ids.size(), kNobody) {
    for (const std::size_t i : order) {
      std::int32_t& mark = new_of[index(numbers[i])];
      if (mark == kNobody) old_of.push_back(numbers[i]);
      mark = 0;
    }
    std::ranges::sort(old_of,
                      [&](std::int32_t a, std::int32_t b) { return comes_before(ids[a], ids[b]); });
    for (std::size_t n = 0; n < old_of.size(); ++n)
      new_of[index(old_of[n])] = static_cast<std::int32_t>(n);
  }
};

/// The facts of those who stay, with their ids.
template <typename Facts>
std::vector<Facts> facts_of(const IdTable& ids, const std::vector<Facts>& facts,
                            const Numbering& numbering, std::int64_t& without) {
  std::vector<Facts> kept;
  kept.reserve(numbering.old_of.size());
  for (const std::int32_t old : numbering.old_of) {
    kept.push_back(index(old) < facts.size() ? facts[index(old)] : Facts{});
    without += kept.back().id.empty() ? 1 : 0;
    kept.back().id = ids[old];
  }
  return kept;
}

/// Items of the data set by the entity of the graph that they are.
using ItemOf = std::map<std::string_view, ItemIndex>;

ItemOf items_by_entity(const Source& source, const Numbering& items) {
  ItemOf of;
  if (source.links.empty()) {
    for (std::size_t item = 0; item < items.old_of.size(); ++item)
      of[source.items[items.old_of[item]]] = static_cast<ItemIndex>(item);
    return of;
  }
  for (const auto& [id, entity] : source.links) {
    const auto old = source.items.find(id);
    if (old && items.new_of[index(*old)] != kNobody) of[entity] = items.new_of[index(*old)];
  }
  return of;
}

Result<KnowledgeGraph> graph_of(const Source& source, const Numbering& items,
                                std::int64_t& unused) {
  const ItemOf of = items_by_entity(source, items);
  IdTable relations, entities;
  std::vector<KnowledgeGraph::Edge> edges;
  const auto add = [&](std::string_view end, std::string_view relation, std::string_view entity,
                       bool from_item) {
    const auto found = of.find(end);
    if (found == of.end()) return false;
    edges.push_back({.item = found->second,
                     .relation = relations.add(relation),
                     .entity = entities.add(entity),
                     .from_item = from_item});
    return true;
  };
  for (const Triple& triple : source.triples) {
    const bool begins = add(triple.head, triple.relation, triple.tail, true);
    const bool ends = add(triple.tail, triple.relation, triple.head, false);
    unused += begins || ends ? 0 : 1;
  }
  const auto names = [](const IdTable& table) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < table.size(); ++i)
      all.emplace_back(table[static_cast<std::int32_t>(i)]);
    return all;
  };
  return KnowledgeGraph::create(std::move(edges), names(relations), names(entities),
                                static_cast<std::int64_t>(items.old_of.size()));
}

}  // namespace

Result<Preparation> prepare(const Source& source, const PrepareOptions& options) {
  std::map<std::string, std::int64_t> notes = source.notes;
  const auto note = [&notes](const std::string& what, std::size_t before, std::size_t after) {
    if (before > after) notes[what] += static_cast<std::int64_t>(before - after);
  };

  std::vector<std::size_t> order = group_by_user(source);
  drop_duplicates(source, order);
  note("interactions of a user with an item they had", source.user.size(), order.size());
  sort_by_time(source, order);
  const std::size_t unique = order.size();
  keep_core(source, options.min_count, order);
  if (order.empty()) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("nothing is left: of {} interactions of {} users with {} items, no user "
                    "and item have at least {} among each other: lower --min-count",
                    source.user.size(), source.users.size(), source.items.size(),
                    options.min_count),
        "min_count");
  }
  const Numbering users(source.users, source.user, order);
  const Numbering items(source.items, source.item, order);
  const std::string below = fmt::format("with fewer than {}", options.min_count);
  note("users " + below, source.users.size(), users.old_of.size());
  note("items " + below, source.items.size(), items.old_of.size());
  note("interactions of users or items " + below, unique, order.size());

  DatasetParts parts;
  parts.name = options.name;
  std::ranges::stable_sort(order, {},
                           [&](std::size_t i) { return users.new_of[index(source.user[i])]; });
  parts.offsets.assign(users.old_of.size() + 1, 0);
  for (const std::size_t i : order) {
    ++parts.offsets[index(users.new_of[index(source.user[i])]) + 1];
    parts.sequence.push_back(items.new_of[index(source.item[i])]);
    // Whole seconds, towards the past also before 1970.
    if (!source.time_ms.empty())
      parts.times.push_back((source.time_ms[i] - (source.time_ms[i] < 0 ? 999 : 0)) / 1000);
  }
  const auto too_short =
      std::count_if(parts.offsets.begin() + 1, parts.offsets.end(),
                    [](std::int64_t items_of_user) { return items_of_user < 3; });
  if (too_short > 0) notes["users with fewer than 3, who are not tested on"] = too_short;
  std::partial_sum(parts.offsets.begin(), parts.offsets.end(), parts.offsets.begin());

  std::int64_t items_without = 0, users_without = 0, unused_triples = 0;
  TRY(parts.catalogue,
      Catalogue::create(facts_of(source.items, source.item_facts, items, items_without)));
  TRY(parts.people,
      People::create(facts_of(source.users, source.user_facts, users, users_without)));
  TRY(parts.graph, graph_of(source, items, unused_triples));
  // Where nothing is described at all, no file was given for it.
  if (items_without > 0 && items_without < parts.catalogue.size())
    notes["items without a description"] = items_without;
  if (users_without > 0 && users_without < parts.people.size())
    notes["users without a description"] = users_without;
  if (unused_triples > 0) notes["triples without an item"] = unused_triples;

  parts.source = source.description;
  parts.source["min_count"] = options.min_count;
  parts.source["interactions_read"] = source.user.size();
  parts.source["notes"] = notes;
  TRY(Dataset dataset, Dataset::create(std::move(parts)));
  return Preparation{.dataset = std::move(dataset),
                     .interactions_read = static_cast<std::int64_t>(source.user.size()),
                     .notes = std::move(notes)};
}

}  // namespace rapport::data
