"""SIGKILL under load, many times: every acknowledged turn is there after the restart, and no job is lost.

    kill_test.py [ROUNDS]        50 by default
"""

import http.client
import json
import random
import sys
import threading
import time
import urllib.request

import program

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
CLIENTS = 4


def ask(url, user, text, stream):
    """The conversation, response id and answer of one acknowledged turn; raises when the server died first."""
    body = {"model": "default", "user": user, "max_tokens": 2, "temperature": 0, "stream": stream,
            "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(url + "/v1/chat/completions", data=json.dumps(body).encode(),
                                     headers={"content-type": "application/json",
                                              "x-rapport-conversation": f"notes of {user}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
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


def load(url, user, round_number, acknowledged, stop):
    turn = 0
    while not stop.is_set():
        text = f"note {round_number}.{turn}"
        try:
            response, answer = ask(url, user, text, stream=turn % 2 == 0)
        # Killed while we waited, which may cut an answer anywhere: not acknowledged.
        except (OSError, ValueError, http.client.HTTPException):
            return
        acknowledged.append((user, text, response, answer))
        turn += 1


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


def main():
    chance = random.Random(7)
    acknowledged = []
    killed = 0
    rapport = program.Program()
    with rapport:
        for round_number in range(ROUNDS):
            stop = threading.Event()
            threads = [threading.Thread(target=load, args=(rapport.url, f"user{i}", round_number, acknowledged, stop))
                       for i in range(CLIENTS)]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.2, 1.5))  # the moment of death: the one thing here that must be random
            rapport.kill()
            killed += 1
            stop.set()
            for thread in threads:
                thread.join()
            rapport.start()
            check(rapport, acknowledged)
        deadline = time.monotonic() + 120  # a job that was running at a kill is due again after its lease
        while True:
            unfinished = [job for job in all_jobs(rapport) if job["status"] != "done"]
            if not unfinished:
                break
            assert time.monotonic() < deadline, unfinished[:3]
            time.sleep(0.5)
        assert rapport.stop() == 0
        assert killed == ROUNDS
        # A run that acknowledged next to nothing would have proved next to nothing.
        assert len(acknowledged) >= ROUNDS, len(acknowledged)
    print(f"{len(acknowledged)} acknowledged turns survived {killed} kills")


if __name__ == "__main__":
    main()
