"""Starts the real program on a free port, in a home of its own. For the tests in this folder.

    with Program() as rapport:
        rapport.url            # "http://127.0.0.1:43127"
        rapport.kill()         # SIGKILL
        rapport.start()        # again, on the same home
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("RAPPORT_PROGRAM", str(ROOT / "build/release/rapport"))
# The program refuses RAPPORT_ variables that it does not know, the tests' own among them.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("RAPPORT_")}
sys.path.insert(0, str(ROOT / "build/deps/clients/python"))


class Program:
    def __init__(self, *settings, home=None, demo=False):
        """`settings` are KEY=VALUE of the configuration."""
        self.home = home or tempfile.mkdtemp(prefix="rapport-conformance-")
        self.demo = demo
        self.settings = settings
        self.process = None
        self.url = None

    def command(self, *arguments, **options):
        """Runs another command on the same home; returns its standard output."""
        done = subprocess.run([PROGRAM, "--home", self.home, *arguments], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, check=True, text=True, **options)
        return done.stdout

    def start(self):
        arguments = [PROGRAM, "--home", self.home, "--json", "--quiet", "serve", "--listen", "127.0.0.1:0"]
        if not self.demo:
            arguments.append("--no-demo")  # or it would train beside the test
        for setting in self.settings:
            arguments += ["--set", setting]
        # The ready message is one JSON document; what follows it on standard output would be a defect.
        self.process = subprocess.Popen(arguments, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, text=True)
        text = ""
        for line in self.process.stdout:
            text += line
            if line == "}\n":
                break
        else:
            raise RuntimeError(f"the server ended with {self.process.wait()} before it was ready: {text}")
        self.url = json.loads(text)["url"]
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        return status

    def get(self, path, key=None):
        headers = {"authorization": f"Bearer {key}"} if key else {}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=60) as answer:
            return json.load(answer)

    def post(self, path, body, method="POST", headers=None):
        """Status, headers and JSON of the answer, errors too."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers={"content-type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, refused.headers, json.load(refused)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)
