"""The demo of recommendations from its first start: popularity answers at once, a training that is killed goes on after the
restart, and the model is swapped in while the server runs.
"""

import sys
import time

import program

if not (program.ROOT / "build/deps/ml-100k/ml-100k.inter").exists():
    print("skipped: the demo's data is not there (scripts/setup --demo)")
    sys.exit(0)

DEADLINE = time.monotonic() + 600


def wait_for(what, answers):
    while not (found := answers()):
        assert time.monotonic() < DEADLINE, f"{what} did not come"
        time.sleep(0.5)  # another process works: there is nothing to be told by
    return found


def trainings(rapport):
    return [job for job in rapport.get("/v1/jobs")["data"] if job["kind"] == "train_retriever"]


def titles(rapport, **body):
    status, _, answer = rapport.post("/v1/recommendations", body)
    assert status == 200, answer
    return answer["model"], [item["title"] for item in answer["items"]]


with program.Program("recommend.train_threads=0", demo=True) as rapport:
    catalogue = wait_for("the catalogue", lambda: rapport.get("/readyz")["catalogue"])
    assert catalogue == "ml-100k", catalogue
    model, popular = titles(rapport, k=5)
    assert model == "popularity" and len(popular) == 5, (model, popular)
    if rapport.get("/v1/catalogue")["model"] == "popularity" and not trainings(rapport):
        print("skipped: this build has no training")
        sys.exit(0)

    wait_for("progress", lambda: any(job["progress"] > 0 for job in trainings(rapport)))
    rapport.kill()
    rapport.start()
    assert titles(rapport, k=5)[1] == popular
    wait_for("the model", lambda: rapport.get("/readyz")["recommender"] == "sasrec")
    done = wait_for("the job's end", lambda: [job for job in trainings(rapport) if job["status"] == "done"])
    assert len(trainings(rapport)) == 1 and done[0]["progress"] == 1, trainings(rapport)

    # Somebody who likes two science fiction films is not offered what everybody is.
    events = [{"kind": "like", "item": item} for item in ("50", "181")]
    status, _, kept = rapport.post("/v1/events", {"user": "sam", "events": events})
    assert status == 201 and len(kept["kept"]) == 2, kept
    model, offered = titles(rapport, user="sam", k=10)
    assert model == "sasrec" and offered != popular, (model, offered)
    liked = [event["title"] for event in kept["kept"]]
    assert not set(offered) & set(liked), offered

    # Chat offers what the catalogue has.
    status, _, answer = rapport.post("/v1/chat/completions", {
        "user": "sam", "messages": [{"role": "user", "content": "What should I watch tonight?"}]})
    assert status == 200 and answer["model"] == "ml-100k/sasrec", answer
    lines = answer["choices"][0]["message"]["content"].splitlines()[2:]
    assert len(lines) == 5, lines
    for line, title in zip(lines, offered):
        assert title in line, (line, offered)
    assert rapport.stop() == 0
    print("the demo's list for sam:", ", ".join(offered))
