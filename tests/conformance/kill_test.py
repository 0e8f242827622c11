"""SIGKILL under load, many times: every acknowledged turn is there after the restart, no job is lost, and the database
is whole.

    kill_test.py [ROUNDS]        50 by default

A round ends after a number of acknowledged turns, so that it proves as much on a slow machine as on a fast one.
"""

import collections
import http.client
import json
import pathlib
import random
import sqlite3
import sys
import threading
import time
import urllib.request

import program

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
CLIENTS = 4
TURNS_BEFORE_A_KILL = (1, 12)  # as chance wants it
PATIENCE_SECONDS = 120  # without one acknowledged turn, or one job done: more than the slowest machine needs


def ask(url, user, text, stream):
    """The conversation, response id and answer of one acknowledged turn; raises when the server died first."""
    body = {"model": "default", "user": user, "max_tokens": 2, "temperature": 0, "stream": stream,
            "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(url + "/v1/chat/completions", data=json.dumps(body).encode(),
                                     headers={"content-type": "application/json",
                                              "x-rapport-conversation": f"notes of {user}"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        data = answer.read().decode()
    if not stream:
        whole = json.loads(data)
        return whole["id"], whole["choices"][0]["message"]["content"]
    if not data.endswith("data: [DONE]\n\n"):
        raise ConnectionError("the stream was cut")
    chunks = [json.loads(line[6:]) for line in data.splitlines() if line.startswith("data: {")]
    if any("error" in chunk for chunk in chunks):
        raise ConnectionError("the stream ended with an error")
    return chunks[0]["id"], "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])


class Round:
    """Clients that talk to the server, each in a conversation of its own, until it is killed."""

    def __init__(self, url, number, acknowledged):
        self.number = number
        self.acknowledged = acknowledged  # (user, text, response id, answer) of every round
        self.turns = 0  # acknowledged in this one
        self.died = {}  # user: why its client gave up
        self.changed = threading.Condition()
        self.threads = [threading.Thread(target=self.talk, args=(url, f"user{i}"), daemon=True)
                        for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def talk(self, url, user):
        turn = 0
        while True:
            text = f"note {self.number}.{turn}"
            try:
                response, answer = ask(url, user, text, stream=turn % 2 == 0)
            # Killed while we waited, which may cut an answer anywhere: not acknowledged.
            except (OSError, ValueError, http.client.HTTPException) as reason:
                with self.changed:
                    self.died[user] = repr(reason)
                    self.changed.notify()
                return
            with self.changed:
                self.acknowledged.append((user, text, response, answer))
                self.turns += 1
                self.changed.notify()
            turn += 1

    def wait_for(self, turns):
        """Until so many turns are acknowledged; fails when a client gives up before, or nothing is acknowledged for
        long."""
        with self.changed:
            while self.turns < turns:
                before = self.turns
                self.changed.wait_for(lambda: self.turns > before or self.died, PATIENCE_SECONDS)
                assert self.turns > before and not self.died, (
                    f"round {self.number}: {self.turns} of {turns} turns were acknowledged, the last wait ended without "
                    f"another; clients that gave up, with the server alive: {self.died or 'none'}")

    def end(self):
        """After the kill: when every client has noticed."""
        for thread in self.threads:
            thread.join()


def all_turns(rapport, user):
    turns = []
    for conversation in rapport.get(f"/v1/conversations?user={user}&limit=500")["data"]:
        while True:
            page = rapport.get(f"/v1/conversations/{conversation['id']}?user={user}&limit=500&offset={len(turns)}")
            turns += page["data"]
            if not page["has_more"]:
                break
    return turns


def all_jobs(rapport):
    jobs = []
    while True:
        page = rapport.get(f"/v1/jobs?limit=500&offset={len(jobs)}")
        jobs += page["data"]
        if not page["has_more"]:
            return jobs


def check(rapport, acknowledged):
    """Every acknowledged question with its answer, once, side by side."""
    for user in {entry[0] for entry in acknowledged}:
        turns = all_turns(rapport, user)
        answers = {turn["response_id"]: at for at, turn in enumerate(turns) if turn["role"] == "assistant"}
        for _, text, response, answer in (entry for entry in acknowledged if entry[0] == user):
            assert response in answers, f"{user}'s acknowledged turn {text} ({response}) is lost"
            at = answers[response]
            assert turns[at]["message"]["content"] == answer, (text, turns[at], answer)
            assert turns[at - 1]["message"]["content"] == text, (text, turns[at - 1])


def check_jobs(rapport):
    """All end, and there is one for every answer that was stored, acknowledged or not."""
    waiting = None
    while True:
        jobs = all_jobs(rapport)
        unfinished = [job for job in jobs if job["status"] != "done"]
        if not unfinished:
            break
        if len(unfinished) != waiting:
            waiting = len(unfinished)
            # A job that was running at a kill is due again after its lease, a minute.
            deadline = time.monotonic() + 60 + PATIENCE_SECONDS
        assert time.monotonic() < deadline, f"{waiting} jobs do not end: {unfinished[:3]}"
        time.sleep(0.5)
    # Jobs name users by their internal ids, so that only the numbers compare.
    answers = collections.Counter(user for user in (f"user{i}" for i in range(CLIENTS))
                                  for turn in all_turns(rapport, user) if turn["role"] == "assistant")
    observed = collections.Counter(job["user"] for job in jobs)
    assert sorted(answers.values()) == sorted(observed.values()), f"jobs are lost: {answers} against {observed}"


def check_database(home):
    """What SQLite itself says, and that a job that was begun twice left its events once. The server is stopped."""
    database = sqlite3.connect(pathlib.Path(home) / "rapport.db")
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    (events,), (jobs,) = (database.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("events", "jobs"))
    assert events == jobs, f"{jobs} jobs left {events} events"
    database.close()


def main():
    chance = random.Random(7)
    acknowledged = []
    rapport = program.Program()
    with rapport:
        for number in range(ROUNDS):
            before = time.monotonic()
            clients = Round(rapport.url, number, acknowledged)
            turns = chance.randint(*TURNS_BEFORE_A_KILL)
            clients.wait_for(turns)
            # Not always just after an answer: anywhere within the turn that a client has under way.
            time.sleep(chance.uniform(0, CLIENTS * (time.monotonic() - before) / turns))
            rapport.kill()
            clients.end()
            rapport.start()
            check(rapport, acknowledged)
        check_jobs(rapport)
        check(rapport, acknowledged)
        assert rapport.stop() == 0
        check_database(rapport.home)
    print(f"{len(acknowledged)} acknowledged turns survived {ROUNDS} kills")


if __name__ == "__main__":
    main()
