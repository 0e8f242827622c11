// What users did with items: the history that recommendations rest on.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

namespace {

// Sealed items cannot be told apart by SQL, so that each row is opened: the time of a
// recommendation must not grow with them for ever.
constexpr std::int64_t kLookedBack = 20'000;

// The ids of a user's hides, by item.
using Hides = std::unordered_map<std::string, std::vector<std::string>>;

Result<Hides> read_hides(Connection& connection, const sqlite::PersonalColumns& personal,
                         const UserId& user, const std::string& catalogue) {
  TRY(Statement rows, connection.prepare("SELECT id, item FROM interactions WHERE user = ? AND "
                                         "catalogue = ? AND kind = 'hide'"));
  rows.bind(user, catalogue);
  Hides hides;
  while (true) {
    TRY(const bool row, rows.step());
    if (!row) return hides;
    std::string id = rows.text(0);
    TRY(std::string item, personal.read(rows, 1, {user, "interactions", id, "item"}));
    hides[std::move(item)].push_back(std::move(id));
  }
}

Result<void> remove(Connection& connection, const UserId& user,
                    const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    TRY(Statement remove, connection.prepare("DELETE FROM interactions WHERE user = ? AND id = ?"));
    TRY_VOID(remove.bind(user, id).run());
  }
  return {};
}

}  // namespace

Result<Interaction> SqliteStore::read_interaction(const Statement& row) const {
  Interaction interaction;
  interaction.id = row.text(0);
  interaction.user = row.text(1);
  interaction.catalogue = row.text(2);
  TRY(interaction.kind, parse_interaction_kind(row.text(3)));
  TRY(interaction.item,
      personal_->read(row, 4, {interaction.user, "interactions", interaction.id, "item"}));
  interaction.value = row.optional_real(5);
  interaction.response_id = row.text(6);
  interaction.created = row.integer(7);
  return interaction;
}

Result<void> SqliteStore::write_interaction(Connection& connection, const Interaction& interaction,
                                            UnixMillis at) const {
  TRY(Statement insert,
      connection.prepare("INSERT INTO interactions (id, user, catalogue, kind, item, value, "
                         "response_id, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.bind(interaction.id, interaction.user, interaction.catalogue, name(interaction.kind));
  TRY_VOID(personal_->bind(insert, {interaction.user, "interactions", interaction.id, "item"},
                           interaction.item));
  insert.bind(interaction.value, interaction.response_id,
              interaction.created != 0 ? interaction.created : at);
  return insert.run();
}

Result<void> SqliteStore::add_interactions(const std::vector<Interaction>& interactions) {
  return write([&](Connection& connection) -> Result<void> {
    const UnixMillis now = clock_.now();
    std::map<std::pair<UserId, std::string>, Hides> hides;  // by user and catalogue
    for (const Interaction& interaction : interactions) {
      TRY_VOID(require_user(connection, interaction.user));
      std::vector<std::string>* earlier = nullptr;
      if (interaction.kind == InteractionKind::kHide) {
        const auto [known, fresh] = hides.try_emplace({interaction.user, interaction.catalogue});
        if (fresh) {
          TRY(known->second,
              read_hides(connection, *personal_, interaction.user, interaction.catalogue));
        }
        earlier = &known->second[interaction.item];
      }
      TRY_VOID(write_interaction(connection, interaction, now));
      if (earlier == nullptr) continue;
      TRY_VOID(remove(connection, interaction.user, *earlier));
      *earlier = {interaction.id};
    }
    return {};
  });
}

Result<ItemHistory> SqliteStore::item_history(const UserId& user, const std::string& catalogue,
                                              std::int64_t items) {
  return database_->read([&](Connection& connection) -> Result<ItemHistory> {
    ItemHistory history;
    std::unordered_set<std::string> met;  // the `items` met last
    {
      TRY(Statement rows, connection.prepare("SELECT id, kind, item, value FROM interactions "
                                             "WHERE user = ? AND catalogue = ? "
                                             "ORDER BY created DESC, seq DESC LIMIT ?"));
      rows.bind(user, catalogue, kLookedBack);
      while (true) {
        TRY(const bool row, rows.step());
        if (!row) break;
        ItemHistory::Event event{.id = rows.text(0), .value = rows.optional_real(3)};
        TRY(event.kind, parse_interaction_kind(rows.text(1)));
        TRY(event.item, personal_->read(rows, 2, {user, "interactions", event.id, "item"}));
        const bool hides = event.kind == InteractionKind::kHide;
        history.known.insert(event.item);
        if (event.kind == InteractionKind::kLike || event.kind == InteractionKind::kRating) {
          history.judged.insert(event.item);
        }
        if (!hides && static_cast<std::int64_t>(met.size()) < items) met.insert(event.item);
        // Whether the item of a hide was met before is known at the end.
        if (hides || met.contains(event.item)) history.recent.push_back(std::move(event));
      }
    }
    std::erase_if(history.recent,
                  [&](const ItemHistory::Event& each) { return !met.contains(each.item); });
    std::reverse(history.recent.begin(), history.recent.end());
    TRY(const Hides hides, read_hides(connection, *personal_, user, catalogue));
    for (const auto& [item, ids] : hides) history.hidden.insert(item);
    return history;
  });
}

Result<std::vector<Interaction>> SqliteStore::interactions(const UserId& user,
                                                           const std::string& catalogue,
                                                           Page page) {
  TRY_VOID(check(page));
  return database_->read([&](Connection& connection) -> Result<std::vector<Interaction>> {
    TRY_VOID(require_user(connection, user));
    TRY(Statement rows,
        connection.prepare("SELECT id, user, catalogue, kind, item, value, response_id, created "
                           "FROM interactions WHERE user = ? AND catalogue = ? "
                           "ORDER BY created DESC, seq DESC LIMIT ? OFFSET ?"));
    return rows.bind(user, catalogue, page.limit, page.offset).all([&](const Statement& row) {
      return read_interaction(row);
    });
  });
}

Result<void> SqliteStore::delete_interaction(const UserId& user, const std::string& id) {
  const Result<void> deleted = write([&](Connection& connection) -> Result<void> {
    std::vector<std::string> ids = {id};
    {
      TRY(Statement rows, connection.prepare("SELECT id, user, catalogue, kind, item, value, "
                                             "response_id, created FROM interactions "
                                             "WHERE user = ? AND id = ? AND kind = 'hide'"));
      TRY(const auto hide,
          rows.bind(user, id).one([&](const Statement& row) { return read_interaction(row); }));
      if (hide) {
        TRY(Hides hides, read_hides(connection, *personal_, user, hide->catalogue));
        ids = std::move(hides[hide->item]);
      }
    }
    TRY_VOID(remove(connection, user, ids));
    if (connection.changes() != 0) return {};
    return fail(ErrorCode::kNotFound,
                fmt::format("interaction {} of user {} is not known: check the id in the user's "
                            "history",
                            id, user));
  });
  if (deleted) database_->scrub_log();
  return deleted;
}

}  // namespace rapport::store
