"""Runs event stores on PostgreSQL beside each other: the same server, the same settings, rounds in turn.

python3 bench/peers/run.py                     every peer that is built, every part
python3 bench/peers/run.py --build             builds and installs the peers first
python3 bench/peers/run.py --peers factum,emmett --parts append,correct --rounds 3 --json

Each peer is a program that reads one JSON object a line from its input, does what it says, and answers one a line.
README.md says what is asked, and what cannot be compared. Needs nothing but Python's own library, and PostgreSQL.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "max_connections": "300",
}
# Within Factum's own target folder, shared by the peers in Rust, so that what they have in common is built once.
TARGET = HERE.parent.parent / "target" / "peers"
CARGO = ["cargo", "build", "--release", "--locked", "--target-dir", str(TARGET)]
RUST = {
    name: {"run": [str(TARGET / "release" / f"peer-{name}")], "build": CARGO}
    for name in ["factum", "cqrs-es", "disintegrate", "eventcore", "mire"]
}
PEERS = RUST | {
    "eventsourcing": {
        "run": ["eventsourcing/.venv/bin/python", "eventsourcing/peer.py"],
        "build": ["sh", "-c", "python3 -m venv .venv && .venv/bin/pip install -q --require-hashes -r requirements.txt"],
    },
    "emmett": {
        "run": ["node", "emmett/peer.mjs"],
        "build": ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        "needs": "emmett/node_modules",
    },
}
WRITERS = [1, 4, 16, 64]
# Commits are slow by chance: one in ten waits, so that later positions become visible before earlier ones.
SLOW_COMMITS = """
create or replace function slow_commit() returns trigger language plpgsql as $$
begin
    if random() < 0.1 then perform pg_sleep(0.005 + random() * 0.03); end if;
    return null;
end $$
"""


def find(program):
    """PostgreSQL's programs: on the path, or where Debian keeps them."""
    found = shutil.which(program)
    if found and pathlib.Path(found).resolve().name == program:
        return found
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    if versions:
        return str(versions[-1])
    if found:
        return found
    sys.exit(f"{program} is not installed; on Debian or Ubuntu: apt-get install postgresql")


class Server:
    """A server of its own, in a temporary folder, durable in every respect."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="factum-peers-")
        self.data = os.path.join(self.folder, "data")
        self.as_user = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run(find("initdb"), "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        options += f" -c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = os.path.join(self.folder, "log")
        self._run(find("pg_ctl"), "start", "-w", "-D", self.data, "-l", log, "-o", options)

    def _run(self, *command):
        quiet = {"stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL, "cwd": self.folder}
        subprocess.run([*self.as_user, *command], check=True, **quiet)

    def url(self, database="postgres"):
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, text, database="postgres"):
        command = [find("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", text]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def stop(self):
        self._run(find("pg_ctl"), "stop", "-m", "immediate", "-D", self.data)
        shutil.rmtree(self.folder, ignore_errors=True)


class Peer:
    """One running program of a peer, connected to one database."""

    def __init__(self, name, url, makes=True):
        self.name = name
        command = PEERS[name]["run"]
        program = HERE / command[0] if "/" in command[0] else command[0]
        arguments = [str(HERE / part) if "/" in part else part for part in command[1:]]
        self.process = subprocess.Popen(
            [str(program), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.opened = self.ask(do="open", url=url, makes=makes)

    def send(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended without an answer")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer

    def ask(self, **what):
        self.send(**what)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def sync_time(folder):
    """The disk's median sync time, in milliseconds."""
    times = []
    with open(os.path.join(folder, "syncs"), "wb", buffering=0) as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(b"x" * 8192)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def fresh(server, name, serial=[0]):
    serial[0] += 1
    database = f"{name.replace('-', '_')}_{serial[0]}"
    server.sql(f"create database {database}")
    return database


def rates(server, names, scale, rounds, parts):
    """Events a second of each part and peer, round by round, peers in turn."""
    databases = {name: fresh(server, name) for name in names}
    peers = {}
    for name in list(names):
        try:
            peers[name] = Peer(name, server.url(databases[name]))
        except RuntimeError as error:
            say(f"skipped: {name}: it cannot make its tables on this server, as it says above ({error})")
            names.remove(name)
    asks = []
    if "append" in parts:
        asks.append(("append", {"do": "append", "count": 1500 * scale // 4}))
    if "load" in parts:
        asks.append(("load 20 + append", {"do": "load_append", "count": 600 * scale // 4, "length": 20}))
    if "writers" in parts:
        for writers in WRITERS:
            ask = {"do": "writers", "writers": writers, "count": max(writers * 40, 4000) * scale // 4}
            asks.append((f"{writers} writers", ask))
    if "catch-up" in parts:
        asks.append(("catch-up", {"do": "catch_up"}))
    found = {what: {name: [] for name in names} for what, _ in asks}
    for turn in range(rounds):
        for what, ask in asks:
            # Each round begins with another peer.
            for name in names[turn % len(names):] + names[: turn % len(names)]:
                answer = peers[name].ask(**ask)
                if "skipped" in answer:
                    found[what][name] = answer["skipped"]
                else:
                    found[what][name].append(answer["events"] / answer["seconds"])
                say(f"  {what}, {name}: {show(found[what][name])}")
    for peer in peers.values():
        peer.close()
    return found


def correct(server, names, scale):
    """Follows the log while commits are slow by chance: what is skipped, doubled or out of its stream's order."""
    found = {}
    for name in names:
        database = fresh(server, name)
        writer = Peer(name, server.url(database))
        if writer.opened.get("follows") is None:
            found[name] = {"skipped": writer.opened.get("why", "has no feed of all events")}
            writer.close()
            continue
        server.sql(SLOW_COMMITS, database)
        server.sql(
            "create constraint trigger slow_commit after insert on " + writer.opened["table"]
            + " deferrable initially deferred for each row execute function slow_commit()",
            database,
        )
        reader = Peer(name, server.url(database), makes=False)
        total = 2000 * scale // 4
        reader.send(do="follow", count=total, idle_seconds=8)
        written = writer.ask(do="writers", writers=16, count=total)
        seen = reader.answer()["seen"]
        versions, doubled, turned = {}, 0, 0
        for stream, version in seen:
            before = versions.get(stream, set())
            doubled += version in before
            turned += bool(before) and version < max(before)
            versions[stream] = before | {version}
        distinct = sum(len(each) for each in versions.values())
        found[name] = {
            "written": written["events"],
            "lost": written["events"] - distinct,
            "doubled": doubled,
            "out of order": turned,
        }
        say(f"  correct, {name}: {found[name]}")
        writer.close()
        reader.close()
    return found


def show(values):
    if isinstance(values, str):
        return "–"
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def say(text):
    print(text, file=sys.stderr, flush=True)


def build(names):
    for name in names:
        say(f"building {name}")
        subprocess.run(PEERS[name]["build"], check=True, cwd=HERE / name, stdin=subprocess.DEVNULL)


def is_built(name):
    needs = PEERS[name].get("needs", PEERS[name]["run"][0])
    return (HERE / needs).exists()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--parts", default="append,load,writers,catch-up,correct")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=int, default=4, help="quarters of the usual amount of work")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    names, parts = given.peers.split(","), given.parts.split(",")
    if given.build:
        build(names)
    for name in [name for name in names if not is_built(name)]:
        say(f"skipped: {name}: not built; run with --build")
        names.remove(name)
    server = Server()
    try:
        before = sync_time(server.folder)
        found = rates(server, names, given.scale, given.rounds, parts)
        order = correct(server, names, given.scale) if "correct" in parts else {}
        after = sync_time(server.folder)
        version = server.sql("show server_version")
    finally:
        server.stop()
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    if given.json:
        whole = {"rates": found, "order": order, "settings": SETTINGS, "sync_ms": [before, after], "load": load}
        print(json.dumps(whole, indent=1))
        return
    settings = ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
    print(f"PostgreSQL {version}, {settings}")
    print(f"{os.cpu_count()} cores, load {load}, sync p50 {before:.2f} and {after:.2f} ms, {given.rounds} rounds\n")
    print("| events/s, median (least to most) | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for what, by_name in found.items():
        print(f"| {what} | " + " | ".join(show(by_name[name]) for name in names) + " |")
    if order:
        print("\n| 16 writers, slow commits | " + " | ".join(names) + " |")
        print("|---" * (len(names) + 1) + "|")
        for what in ["written", "lost", "doubled", "out of order"]:
            print(f"| {what} | " + " | ".join(str(order[name].get(what, "–")) for name in names) + " |")


if __name__ == "__main__":
    main()
