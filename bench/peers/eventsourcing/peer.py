"""eventsourcing (Python) as a peer: its application recorder, which its applications store events with."""

import json
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlparse

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

CONNECTIONS = 12
EVENTS_OF_STREAM = 10
STATE = json.dumps({"text": "x" * 240}).encode()


class Peer:
    def __init__(self, url, makes):
        where = urlparse(url)
        datastore = PostgresDatastore(
            where.path[1:], where.hostname, where.port, where.username, "", pool_size=CONNECTIONS, max_waiting=1000
        )
        self.recorder = PostgresApplicationRecorder(datastore)
        if makes:
            self.recorder.create_table()

    def append(self, stream, version):
        event = StoredEvent(stream, version + 1, "order.placed", STATE)
        self.recorder.insert_events([event])

    def append_all(self, count):
        stream = None
        for index in range(count):
            if index % EVENTS_OF_STREAM == 0:
                stream = uuid.uuid4()
            self.append(stream, index % EVENTS_OF_STREAM)
        return count

    def writers(self, writers, count):
        with ThreadPoolExecutor(writers) as pool:
            return sum(pool.map(self.append_all, [count // writers] * writers))

    def load_append(self, count, length):
        streams = [uuid.uuid4() for _ in range(max(count // length, 1))]
        for stream in streams:
            for version in range(length):
                self.append(stream, version)
        began = time.perf_counter()
        for turn in range(count):
            stream = streams[turn % len(streams)]
            self.append(stream, len(self.recorder.select_events(stream)))
        return {"events": count, "seconds": time.perf_counter() - began}

    def read_all(self):
        count, start = 0, 1
        while page := self.recorder.select_notifications(start=start, limit=1000):
            count, start = count + len(page), page[-1].id + 1
        return count

    def follow(self, count, idle_seconds):
        seen, last = [], [time.monotonic()]
        subscription = self.recorder.subscribe(gt=0)

        def take():
            for notification in subscription:
                seen.append([str(notification.originator_id), notification.originator_version])
                last[0] = time.monotonic()

        threading.Thread(target=take, daemon=True).start()
        while len(seen) < count and time.monotonic() - last[0] < idle_seconds:
            time.sleep(0.1)
        time.sleep(1)
        subscription.stop()
        return {"seen": list(seen)}


def answer(peer, ask):
    began = time.perf_counter()
    match ask["do"]:
        case "append":
            events = peer.append_all(ask["count"])
        case "writers":
            events = peer.writers(ask["writers"], ask["count"])
        case "load_append":
            return peer.load_append(ask["count"], ask["length"])
        case "catch_up":
            events = peer.read_all()
        case "follow":
            return peer.follow(ask["count"], ask["idle_seconds"])
        case other:
            return {"error": f"cannot do {other!r}"}
    return {"events": events, "seconds": time.perf_counter() - began}


def main():
    peer = None
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["do"] == "open":
            peer = Peer(ask["url"], ask["makes"])
            said = {"table": "stored_events", "follows": True}
        else:
            said = answer(peer, ask)
        print(json.dumps(said), flush=True)


main()
