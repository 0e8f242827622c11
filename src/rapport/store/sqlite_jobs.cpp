// Durable jobs: a row is the job, a lease says whose it is.
#include <fmt/format.h>

#include "rapport/base/log.h"
#include "rapport/store/sqlite_writing.h"

namespace rapport::store {

using sqlite::Connection;
using sqlite::Statement;

namespace {

constexpr std::string_view kOldestDue =
    "SELECT id, kind, user, payload, status, attempts, max_attempts, not_before, progress, error, "
    "created, updated FROM jobs "
    "WHERE status IN ('queued', 'running') AND kind IN (SELECT value FROM json_each(?1)) "
    "AND ?2 >= iif(status = 'queued', not_before, lease_until) "
    "ORDER BY created, seq LIMIT 1";

tl::unexpected<Error> no_job(const std::string& id) {
  return fail(ErrorCode::kNotFound,
              fmt::format("job {} is not known: check the id in the list of jobs", id));
}

}  // namespace

Result<Job> SqliteStore::read_job(const Statement& row) const {
  Job job;
  job.id = row.text(0);
  job.kind = row.text(1);
  job.user = row.text(2);
  TRY(job.payload, personal_->read_json(row, 3, {job.user, "jobs", job.id, "payload"}));
  TRY(job.status, parse_job_status(row.text(4)));
  job.attempts = static_cast<std::int32_t>(row.integer(5));
  job.max_attempts = static_cast<std::int32_t>(row.integer(6));
  job.not_before = row.integer(7);
  job.progress = row.real(8);
  TRY(job.error, personal_->read(row, 9, {job.user, "jobs", job.id, "error"}));
  job.created = row.integer(10);
  job.updated = row.integer(11);
  return job;
}

Result<void> SqliteStore::enqueue(const Job& job) {
  return write([&](Connection& connection) -> Result<void> {
    return write_job(connection, job, clock_.now());
  });
}

Result<void> SqliteStore::write_job(Connection& connection, const Job& job, UnixMillis at) const {
  if (job.max_attempts < 1) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("job {} may be tried {} times: allow at least one attempt", job.id,
                            job.max_attempts),
                "max_attempts");
  }
  if (!job.user.empty()) TRY_VOID(require_user(connection, job.user));
  TRY(Statement insert,
      connection.prepare("INSERT INTO jobs (id, kind, user, payload, status, attempts, "
                         "max_attempts, not_before, progress, error, lease_ms, lease_until, "
                         "created, updated) "
                         "VALUES (?, ?, nullif(?, ''), ?, 'queued', 0, ?, ?, 0, x'', 0, 0, ?, ?)"));
  insert.bind(job.id, job.kind, job.user);
  TRY_VOID(personal_->bind_json(insert, {job.user, "jobs", job.id, "payload"}, job.payload));
  insert.bind(job.max_attempts, job.not_before, job.created != 0 ? job.created : at, at);
  return insert.run();
}

Result<std::optional<Job>> SqliteStore::claim_job(const std::vector<std::string>& kinds,
                                                  std::chrono::seconds lease) {
  const std::int64_t lease_ms = std::chrono::milliseconds(lease).count();
  return write([&](Connection& connection) -> Result<std::optional<Job>> {
    const UnixMillis now = clock_.now();
    while (true) {
      std::optional<Job> job;
      {
        TRY(Statement due, connection.prepare(kOldestDue));
        TRY(const bool found, due.bind(base::dump_json(Json(kinds)), now).step());
        if (!found) return std::nullopt;
        auto read = read_job(due);
        if (!read && read.error().code == ErrorCode::kCorrupt) {
          // One whose user is being erased, or a damaged one, must not hold up all others.
          const std::string id = due.text(0);
          base::log_warning("a job cannot be read and fails",
                            {{"job", id}, {"error", read.error().message}});
          TRY(Statement give_up,
              connection.prepare("UPDATE jobs SET status = 'failed', updated = ? WHERE id = ?"));
          TRY_VOID(give_up.bind(now, id).run());
          continue;
        }
        TRY(job, std::move(read));
      }
      const bool spent = job->attempts >= job->max_attempts;
      if (spent) {
        job->status = JobStatus::kFailed;
        job->error = fmt::format("did not end within its lease in {} attempts", job->attempts);
      } else {
        job->status = JobStatus::kRunning;
        ++job->attempts;
      }
      job->updated = now;
      TRY(Statement update,
          connection.prepare("UPDATE jobs SET status = ?, attempts = ?, error = ?, lease_ms = ?, "
                             "lease_until = ?, updated = ? WHERE id = ?"));
      update.bind(name(job->status), job->attempts);
      TRY_VOID(personal_->bind(update, {job->user, "jobs", job->id, "error"}, job->error));
      TRY_VOID(update.bind(lease_ms, now + lease_ms, now, job->id).run());
      if (!spent) return job;
    }
  });
}

Result<void> SqliteStore::update_job(const Job& job) {
  return write([&](Connection& connection) -> Result<void> {
    UserId user;
    {
      TRY(Statement stored,
          connection.prepare("SELECT coalesce(user, ''), attempts FROM jobs WHERE id = ?"));
      TRY(const bool found, stored.bind(job.id).step());
      if (!found) return no_job(job.id);
      user = stored.text(0);
      if (stored.integer(1) > job.attempts) {
        return fail(ErrorCode::kConflict,
                    fmt::format("job {} was claimed again after its lease ended: drop this "
                                "attempt's result",
                                job.id));
      }
    }
    const UnixMillis now = clock_.now();
    TRY(Statement update,
        connection.prepare("UPDATE jobs SET "
                           "status = iif(?1 = 'queued' AND ?2 >= max_attempts, 'failed', ?1), "
                           "attempts = ?2, progress = ?3, not_before = ?4, error = ?5, "
                           "lease_until = ?6 + lease_ms, updated = ?6 WHERE id = ?7"));
    update.bind(name(job.status), job.attempts, job.progress, job.not_before);
    TRY_VOID(personal_->bind(update, {user, "jobs", job.id, "error"}, job.error));
    return update.bind(now, job.id).run();
  });
}

Result<Job> SqliteStore::job(const std::string& id) {
  return database_->read([&](Connection& connection) -> Result<Job> {
    TRY(Statement row,
        connection.prepare("SELECT id, kind, user, payload, status, attempts, max_attempts, "
                           "not_before, progress, error, created, updated FROM jobs "
                           "WHERE id = ?"));
    TRY(std::optional<Job> found,
        row.bind(id).one([&](const Statement& at) { return read_job(at); }));
    if (!found) return no_job(id);
    return *std::move(found);
  });
}

Result<std::vector<Job>> SqliteStore::jobs(Page page) {
  TRY_VOID(check(page));
  return database_->read([&](Connection& connection) -> Result<std::vector<Job>> {
    TRY(Statement rows,
        connection.prepare("SELECT id, kind, user, payload, status, attempts, max_attempts, "
                           "not_before, progress, error, created, updated FROM jobs "
                           "ORDER BY seq DESC LIMIT ? OFFSET ?"));
    return rows.bind(page.limit, page.offset).all([&](const Statement& row) {
      return read_job(row);
    });
  });
}

}  // namespace rapport::store
