"""Peers, containers and operators that misbehave: nothing is lost, doubled, leaked or waits for ever."""
import os
import random
import socket
import ssl
import struct
import time

from harness import Container, FlowTest, Link, main, request, wait_for


class Deaf:
    """A container that takes connections but reads only when it is told to."""

    def __init__(self, port=0):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        self.links = []

    def accept(self):
        self.listener.settimeout(10)
        link = Link(self.listener.accept()[0])
        self.links.append(link)
        return link

    def reset(self):
        self.listener.close()
        for link in self.links:
            link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.close()

    def close(self):
        self.listener.close()
        for link in self.links:
            link.close()


def message(n, size=100, tag="m"):
    return request("MESSAGE", call_id=f"{tag}{n}", branch=f"z9hG4bK{tag}{n}", body="x" * size).encode()


def push(link, data, seconds=1.0):
    """Send without waiting for room for ever; the bytes that went."""
    link.sock.settimeout(seconds)
    done = 0
    try:
        while done < len(data):
            done += link.sock.send(data[done:done + 16384])
    except TimeoutError:
        pass
    return done


class Abuse(FlowTest):
    workers = 1

    def deaf_edge(self, **changes):
        deaf = Deaf()
        self.edge(config=self.config([deaf], **changes), containers=0)
        self.containers = [deaf]
        return deaf, deaf.accept()

    def counter(self, name):
        return self.running.status()["counters"][name]

    def test_all_arrive_once_and_in_order_after_back_pressure(self):
        deaf, inside = self.deaf_edge(limits={"queue_bytes": 400000})
        link = self.peer()
        data = b"".join(message(n, 40000) for n in range(300))
        done = push(link, data)  # how much goes depends on the kernel's buffers
        wait_for("paused", lambda: self.counter("paused"))
        got = []
        while len(got) < 300:
            if done < len(data):
                done += push(link, data[done:done + 200000], 0.05)
            try:
                msg = inside.recv(0.05)
            except TimeoutError:
                if done < len(data):
                    continue
                msg = inside.recv(5)
            self.assertEqual(len(msg.body), 40000)
            got.append(msg.get("call-id"))
        self.assertEqual(got, [f"m{n}" for n in range(300)])
        with self.assertRaises(TimeoutError):
            inside.recv(0.3)

    def test_a_container_that_never_reads_is_given_up(self):
        deaf, inside = self.deaf_edge(limits={"queue_bytes": 65536}, timeouts={"message": 1})
        link = self.peer()
        push(link, b"".join(message(n, 900000, "n") for n in range(12)), 0.5)
        self.running.logged('event=container_down .*reason="does not read"', 10)

    def test_paused_peers_go_on_when_the_container_is_lost(self):
        deaf, _ = self.deaf_edge(limits={"queue_bytes": 65536})
        links = [self.peer() for _ in range(3)]
        for n, link in enumerate(links):
            push(link, b"".join(message(i, 900000, f"p{n}-") for i in range(10)), 0.3)
        wait_for("paused", lambda: self.counter("paused"))
        deaf.reset()
        for link in links:
            link.sock.settimeout(5)
        # What was handed over is lost, what was not is answered: 503, for nobody is up.
        self.assertEqual({link.recv(5).status for link in links}, {503})

    def test_what_came_before_the_end_of_a_paused_peer_is_handled(self):
        deaf, inside = self.deaf_edge(limits={"queue_bytes": 100000})
        first = self.peer()
        push(first, b"".join(message(i, 40000, "f") for i in range(200)), 0.5)
        wait_for("paused", lambda: self.counter("paused"))
        last = self.peer()
        last.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # messages and end come in one piece
        last.send(b"".join(message(i, 100, "l") for i in range(40)))
        last.sock.settimeout(0)
        with self.assertRaises(ssl.SSLWantReadError):  # our end is said; nobody answers while we are paused
            last.sock.unwrap()
        last.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        time.sleep(0.2)
        got = []
        while "l39" not in got:
            got.append(inside.recv(5).get("call-id"))
        mine = [c for c in got if c.startswith("l")]
        # The queue may be full for its first ones (503, which nobody reads any more); none is lost behind the pause.
        self.assertEqual(mine, [f"l{n}" for n in range(40 - len(mine), 40)])
        self.assertGreater(len(mine), 30)

    def test_a_busy_peer_is_not_timed_out(self):
        self.edge(timeouts={"message": 1})
        link = self.peer()
        data = b"".join(message(n, 10, "b") for n in range(31))
        size = len(data) // 31
        link.send(data[:size // 2])
        for n in range(1, 30):  # every piece ends inside a message
            link.send(data[(n - 1) * size + size // 2:n * size + size // 2])
            self.assertEqual(link.recv(5).status, 200)
            time.sleep(0.08)

    def test_a_slow_message_is_timed_out(self):
        edge = self.edge(timeouts={"message": 1})
        link = self.peer()
        link.send(message(1)[:50])
        self.assertTrue(link.closed(5))
        edge.logged('reason="?message timed out')

    def test_slow_handshakes_end_and_are_forgotten(self):
        edge = self.edge(timeouts={"handshake": 1})
        socks = [socket.create_connection(("127.0.0.1", self.tls_port)) for _ in range(20)]
        for n, s in enumerate(socks):
            s.send(b"\x16\x03\x01\x02\x00\x01"[:n % 7])
            if n % 3 == 0:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
        wait_for("handshakes", lambda: self.counter("handshakes_now") == 0, 10)
        wait_for("slots", lambda: edge.status()["workers"][0]["connections"] == 1, 10)
        link = self.peer()
        link.send(message(1))
        self.assertEqual(link.recv().status, 200)

    def test_limits_of_connections_and_handshakes(self):
        edge = self.edge(limits={"handshakes_per_source": 3, "connections": 6}, timeouts={"handshake": 3600})
        socks = [socket.create_connection(("127.0.0.1", self.tls_port)) for _ in range(3)]
        wait_for("handshakes", lambda: self.counter("handshakes_now") == 3)
        self.assertTrue(Link(socket.create_connection(("127.0.0.1", self.tls_port))).closed())
        edge.logged("too_many_handshakes_of_source")
        for s in socks:
            s.close()
        wait_for("handshakes", lambda: self.counter("handshakes_now") == 0)
        links = []
        for _ in range(5):  # the container has one
            links.append(self.peer())
            links[-1].send(message(1))
            self.assertEqual(links[-1].recv().status, 200)
        self.assertTrue(Link(socket.create_connection(("127.0.0.1", self.tls_port))).closed())
        edge.logged("too_many_connections")
        links[0].close()
        wait_for("a slot", lambda: edge.status()["workers"][0]["connections"] == 5)
        link = self.peer()
        link.send(message(2))
        self.assertEqual(link.recv().status, 200)

    def test_messages_are_counted_per_connection(self):
        edge = self.edge()
        link = self.peer()
        for n in range(3):
            link.send(message(n))
            self.assertEqual(link.recv().status, 200)
        rows = [r["messages"] for r in edge.ctl("connections")["connections"] if r["side"] == "external"]
        self.assertEqual(rows, [3])

    def test_a_request_does_not_wait_for_ever_for_a_container_that_swallows(self):
        blocked = Deaf()
        blocked.listener.listen(0)
        fill = [socket.socket() for _ in range(3)]  # a full queue: further attempts are dropped by the kernel
        for s in fill:
            s.setblocking(False)
            s.connect_ex(blocked.listener.getsockname())
        self.edge(config=self.config([blocked], timeouts={"connect": 1}), containers=0)
        link = self.peer()
        link.send(message(1))
        self.assertEqual(link.recv(10).status, 503)
        for s in fill + [blocked]:
            s.close()
        self.running.logged("connect timed out")

    def test_answers_come_through_a_change_of_token_secrets(self):
        secrets = []
        for name in ("one", "two"):
            path = self.run_dir / f"{name}.secret"
            path.write_bytes(os.urandom(32))
            path.chmod(0o600)
            secrets.append(str(path))
        edge = self.edge(token_secret_files=secrets[:1])
        held = []
        self.container.answer = held.append
        link = self.peer()
        link.send(message(1))
        msg = self.container.find("m1")
        self.assertTrue(edge.reload(dict(edge.config, token_secret_files=secrets[1:]))["ok"])
        self.container.links[0].send(Container.reply(msg))
        self.assertEqual(link.recv().status, 200)

    def test_a_listener_with_other_trust_ends_old_connections(self):
        edge = self.edge()
        link = self.peer()
        link.send(message(1))
        self.assertEqual(link.recv().status, 200)
        self.pki.ca("otherca", "/C=DE/O=Other/CN=Other CA")
        cfg = dict(edge.config)
        cfg["tls"] = {"renamed": dict(cfg["tls"]["edge"], trust=[str(self.pki.path("otherca.pem"))])}
        cfg["listeners"] = [dict(l, tls="renamed") if "tls" in l else l for l in cfg["listeners"]]
        self.assertTrue(edge.reload(cfg)["ok"])
        self.assertTrue(link.closed(3))
        edge.logged("event=trust_lost")

    def test_reloads_leak_no_descriptors(self):
        edge = self.edge()
        pid = edge.status()["workers"][0]["pid"]
        count = lambda: len(os.listdir(f"/proc/{pid}/fd"))
        edge.reload()
        before = count()
        for _ in range(5):
            self.assertTrue(edge.reload()["ok"])
        self.assertEqual(count(), before)

    def test_connections_that_come_and_go_leave_nothing(self):
        edge = self.edge()
        rng = random.Random(5)
        for n in range(60):
            link = self.peer()
            kind = rng.randrange(4)
            if kind:
                link.send(message(n)[:rng.randrange(1, 500)] if kind == 1 else message(n) * kind)
            if kind == 3:
                link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.close()
        wait_for("slots", lambda: edge.status()["workers"][0]["connections"] == 1, 10)
        self.assertEqual(len(edge.ctl("connections")["connections"]), 1)

    def test_random_splits(self):
        self.edge()
        rng = random.Random(7)
        link = self.peer()
        data = b"".join(message(n, rng.randrange(0, 3000), "r") + b"\r\n" * rng.randrange(2) for n in range(100))
        while data:
            n = rng.choice((1, 2, 7, 100, 1500, 20000))
            link.send(data[:n])
            data = data[n:]
        self.assertEqual([link.recv().get("call-id") for _ in range(100)], [f"r{n}" for n in range(100)])
        self.assertEqual([m.get("call-id") for m in self.container.messages], [f"r{n}" for n in range(100)])

    def test_a_peer_that_does_not_read_is_cut_off(self):
        edge = self.edge(limits={"queue_bytes": 100000})
        deaf, good = self.peer(), self.peer()
        data = b"\r\n\r\n" * 4000
        try:
            for _ in range(2000):
                deaf.sock.settimeout(2)
                deaf.sock.sendall(data)
        except (OSError, TimeoutError):
            pass
        good.send(message(1))
        self.assertEqual(good.recv().status, 200)
        deaf.close()
        wait_for("slots", lambda: edge.status()["workers"][0]["connections"] == 2, 10)

    def test_a_peer_that_takes_no_answers_holds_up_nobody(self):
        edge = self.edge(limits={"queue_bytes": 200000})
        self.container.answer = lambda msg: Container.reply(msg, extra="X-Fill: " + "y" * 8000 + "\r\n") * 20
        deaf, good = self.peer(), self.peer()
        deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            for n in range(400):
                deaf.sock.settimeout(2)
                deaf.sock.sendall(message(n, 2000, "d"))
        except (OSError, TimeoutError):
            pass
        edge.logged("peer does not read", 10)
        self.container.answer = self.container.ok
        good.send(message(1))
        while good.recv(10).get("call-id") != "m1":
            pass
        deaf.close()

    def test_a_container_that_talks_nonsense(self):
        for nonsense in (b"\x00" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 200 OK\r\nContent-Length: -1\r\n\r\n",
                         b"SIP/2.0 200 OK\r\nContent-Length: 99999999\r\n\r\n", b"X" * 200000):
            with self.subTest(nonsense[:20]):
                edge = self.edge()
                link = self.peer()
                link.send(message(1))
                self.assertEqual(link.recv().status, 200)
                self.container.links[0].send(nonsense)
                wait_for("a new connection", lambda: len(self.container.links) > 1, 10)
                edge.logged("event=container_up")
                link.send(message(2))
                self.assertEqual(link.recv().status, 200)
                self.tearDown()
                self.setUp()

    def test_a_deaf_container_that_asks_keeps_its_queue(self):
        deaf, inside = self.deaf_edge(limits={"queue_bytes": 65536})
        link = self.peer()
        push(link, b"".join(message(i, 500000, "q") for i in range(20)), 0.3)
        wait_for("paused", lambda: self.counter("paused"))
        inside.send(request("MESSAGE", uri="sip:x@elsewhere.example", call_id="ask").encode() + b"\r\n\r\n")
        wait_for("the question", lambda: self.counter("inside_requests"))
        self.assertEqual(inside.recv(10).get("call-id"), "q0")
        self.assertEqual(self.counter("upstream_failures"), 0)

    def test_answers_reach_nobody_else(self):
        self.edge()
        held = []
        self.container.answer = held.append
        one, two = self.peer(), self.peer()
        one.send(message(1, tag="one"))
        two.send(message(1, tag="two"))
        via = [self.container.find(c).all("via") for c in ("one1", "two1")]
        reply = Container.reply(self.container.find("one1"))
        inside = self.container.links[0]
        back = via[0][0].split("back=")[1].split(";")[0]
        for broken in (back[:-1] + ("A" if back[-1] != "A" else "B"), back[1:], "A" * len(back), ""):
            inside.send(reply.replace(back, broken))
        inside.send(Container.reply(self.container.find("two1")))
        self.assertEqual(two.recv().get("call-id"), "two1")
        inside.send(reply)
        self.assertEqual(one.recv().get("call-id"), "one1")
        for link in (one, two):
            with self.assertRaises(TimeoutError):
                link.recv(0.2)

    def test_containers_come_and_go_under_load(self):
        edge = self.edge()
        link = self.peer()
        port = self.container.port
        sent = 0
        for _ in range(4):
            for _ in range(25):
                link.send(message(sent, 500, "g"))
                sent += 1
            self.container.close()
            for _ in range(25):
                link.send(message(sent, 500, "g"))
                sent += 1
            self.container = Container(port)
            self.containers.append(self.container)
            edge.logged("event=container_up")
        wait_for("service", lambda: self.answered(link), 20)
        counts = {}
        for c in self.containers:
            for m in c.messages:
                counts[m.get("call-id")] = counts.get(m.get("call-id"), 0) + 1
        self.assertEqual({n for n in counts.values()}, {1}, "nothing twice")

    def answered(self, link):
        self.asked = getattr(self, "asked", 0) + 1
        link.send(message(self.asked, 10, "a"))
        try:
            while True:
                msg = link.recv(1)
                if msg.get("call-id") == f"a{self.asked}":
                    return msg.status == 200
        except TimeoutError:
            return False


if __name__ == "__main__":
    main()
