"""Users with canaries in every kind of data; half of them are erased under load, with SIGKILL at random moments: of
none of those is anything left in any file under the home or any answer, and all of the others is there. A home that is
stolen without its master key shows no canary.

    erasure_test.py [USERS [KILLS]]        60 users and 12 kills by default; the bar is 1000 and 100
"""

import http.client
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile

import program

USERS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 12
DIED = (OSError, ValueError, http.client.HTTPException)


class User:
    def __init__(self, number, chance):
        self.number = number
        self.name = f"user{number}"
        # Twenty places; each canary is found nowhere but in what is this user's.
        self.canaries = [f"canary{chance.getrandbits(64):016x}x{place}" for place in range(20)]


def conversations(user):
    """As Claude exports them: turns, titles and facts without a model that would take its time."""
    c = user.canaries
    return [{"uuid": f"{user.name}-{talk}", "name": c[talk],
             "chat_messages": [
                 {"uuid": f"{talk}q", "sender": "human", "text": f"I live in {c[4 + talk]}. {c[8 + talk]}"},
                 {"uuid": f"{talk}a", "sender": "assistant", "text": c[12 + talk]}]} for talk in range(4)]


def plant(rapport, user, model):
    c = user.canaries
    path = f"/v1/users/{user.name}"
    status, _, answer = rapport.post(f"{path}/import?format=claude", conversations(user))
    assert status == 201, answer
    status, _, answer = rapport.post(f"{path}/settings", {"instructions": c[16]}, method="PATCH")
    assert status == 200, answer
    status, _, answer = rapport.post(f"{path}/facts", {"text": c[17]})
    assert status == 201, answer
    if not model:
        return
    # Through the model: the trace with its prompt, a job, an event.
    status, _, answer = rapport.post("/v1/chat/completions", {
        "user": user.name, "max_tokens": 1, "messages": [{"role": "user", "content": c[18]}]},
        headers={"x-rapport-conversation": c[19]})
    assert status == 200, answer
    status, _, answer = rapport.post("/v1/feedback", {"user": user.name, "response_id": answer["id"], "reason": c[15]})
    assert status in (200, 201), answer


def export(rapport, user):
    """All that is answered of the user, in one text; None for one who is not there."""
    try:
        with urllib.request.urlopen(f"{rapport.url}/v1/users/{user.name}/export", timeout=60) as answer:
            archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    except urllib.error.HTTPError as refused:
        assert refused.code == 404, refused
        return None
    return "".join(archive.read(name).decode() for name in archive.namelist())


def planted(user, model):
    return user.canaries if model else user.canaries[:18]


def files_with(home, needles):
    """The needles that are in any file under the home, with the file."""
    found = []
    for path in pathlib.Path(home).rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found += [(needle, str(path)) for needle in needles if needle.encode() in data]
    return found


class Load:
    """Clients that go on asking for the users who stay, until the server is killed or they are told to stop."""

    def __init__(self, rapport, users):
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(rapport.url, users[i::2]), daemon=True) for i in range(2)]
        for thread in self.threads:
            thread.start()

    def ask(self, url, users):
        turn = 0
        while not self.stopped.is_set():
            user = users[turn % len(users)]
            turn += 1
            request = urllib.request.Request(
                f"{url}/v1/users/{user.name}/settings", method="PATCH", headers={"content-type": "application/json"},
                data=json.dumps({"instructions": user.canaries[16]}).encode())
            try:
                urllib.request.urlopen(request, timeout=60).read()
            except DIED:
                if not self.stopped.wait(0.02):
                    continue

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def erase(url, user, receipts):
    """The receipt of an acknowledged erasure; nothing when the server died first."""
    request = urllib.request.Request(f"{url}/v1/users/{user.name}", method="DELETE")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            receipts[user.number] = json.load(answer)
    except urllib.error.HTTPError as refused:
        # Erased by one that was killed before it answered, and completed by the start after it.
        assert refused.code == 404, (refused.code, refused.read())
        receipts[user.number] = None
    except DIED:
        pass


def erase_under_kills(rapport, leaving, staying, chance):
    receipts = {}
    kills = 0
    while len(receipts) < len(leaving):
        load = Load(rapport, staying)
        waiting = [user for user in leaving if user.number not in receipts]
        if kills < KILLS:
            killer = threading.Timer(chance.uniform(0, 0.1), rapport.kill)
            killer.start()
        for user in waiting:
            erase(rapport.url, user, receipts)
            if kills < KILLS and not killer.is_alive():
                break
        if kills < KILLS:
            killer.join()
            kills += 1
        load.stop()
        if rapport.process.poll() is not None:
            rapport.start()
    return receipts, kills


def check_stolen(home, users):
    """A copy of the home without its master key: no canary, and it does not open."""
    stolen = tempfile.mkdtemp(prefix="rapport-stolen-")
    try:
        shutil.copytree(home, stolen, dirs_exist_ok=True)
        os.unlink(pathlib.Path(stolen) / "keys/master.key")
        needles = [canary for user in users for canary in user.canaries]
        found = [] if len(needles) > 400 else files_with(stolen, needles)
        # All canaries begin alike: one look finds any of many.
        found += files_with(stolen, ["canary"])
        assert not found, found[:3]
        opened = subprocess.run([program.PROGRAM, "--home", stolen, "users", "list"], env=program.ENVIRONMENT,
                                capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert opened.returncode == 1 and "master.key" in opened.stderr, opened
    finally:
        shutil.rmtree(stolen)


def main():
    chance = random.Random(7)
    users = [User(number, chance) for number in range(USERS)]
    rapport = program.Program()
    with rapport:
        for user in users:
            plant(rapport, user, model=user.number < 20)
        for user in users[:3]:
            missing = [c for c in planted(user, True) if c not in export(rapport, user)]
            assert not missing, f"{user.name} was planted without {missing}"
        leaving, staying = users[::2], users[1::2]
        receipts, kills = erase_under_kills(rapport, leaving, staying, chance)

        for user in leaving:
            assert export(rapport, user) is None, f"{user.name} is answered of still"
        for user in staying:
            text = export(rapport, user)
            assert text is not None, f"{user.name} was erased"
            missing = [c for c in planted(user, user.number < 20) if c not in text]
            assert not missing, f"{user.name} lost {missing}"
        answered = json.dumps(rapport.get("/v1/users?limit=500"))
        assert not any(f'"{user.name}"' in answered for user in leaving)
        assert rapport.stop() == 0
        check_stolen(rapport.home, users)

        known = [receipt for receipt in receipts.values() if receipt]
        file = pathlib.Path(rapport.home).parent / f"receipt-{os.getpid()}.json"
        for receipt in known[:3] + known[-1:]:
            file.write_text(json.dumps(receipt))
            verified = json.loads(rapport.command("--json", "users", "verify-erased", str(file)))
            assert verified["erased"] and not verified["came_back"], verified
        file.unlink(missing_ok=True)
    print(f"{len(leaving)} of {USERS} users erased in {kills} kills, {len(known)} receipts: nothing of them is left, and "
          f"all of the others is there")


if __name__ == "__main__":
    main()
