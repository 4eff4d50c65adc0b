#!/usr/bin/env python3
"""Limits of domains and containers, over all workers."""
from harness import Container, FlowTest, main, request, wait_for


class Overload(FlowTest):
    workers = 2

    def start(self, limits=None, server=None, entry=None, **changes):
        base = self.config([], **changes)
        base["external_domains"][0].update({"limits": limits} if limits else {}, **(entry or {}))
        self.tcp = Container()
        base["clusters"]["main"]["servers"] = [{"host": "127.0.0.1", "port": self.tcp.port, "protocol": "TCP"} | (server or {})]
        self.edge(base, containers=0)
        self.containers.append(self.tcp)

    def burst(self, count, method="INVITE", name="b", extra="", links=4):
        """Requests over several connections, which land on both workers; returns the answers."""
        peers = [self.peer() for _ in range(links)]
        for i in range(count):
            peers[i % links].send(request(method, call_id=f"{name}{i}", branch=f"z9hG4bK{name}{i}", extra=extra))
        return [peers[i % links].recv() for i in range(count)]

    def statuses(self, answers):
        return [a.status for a in answers]

    def test_calls_per_second(self):
        self.start({"calls_per_second": 10})
        got = self.statuses(self.burst(60))
        self.assertGreaterEqual(got.count(200), 10)
        self.assertLess(got.count(200), 50)
        self.assertEqual(got.count(200) + got.count(503), 60)
        self.assertEqual(self.statuses(self.burst(20, "MESSAGE", "m")), [200] * 20)  # no calls

    def test_messages_per_second_and_retry_after(self):
        self.start({"messages_per_second": 5})
        answers = self.burst(40, "MESSAGE")
        refused = [a for a in answers if a.status == 503]
        self.assertGreater(len(refused), 10)
        self.assertTrue(all(a.get("retry-after") == "5" for a in refused))

    def test_no_retry_after_and_another_status(self):
        self.start({"messages_per_second": 5}, entry={"retry_after": False}, overload={"status": 480, "reason": "Come back later"})
        refused = [a for a in self.burst(40, "MESSAGE") if a.status != 200]
        self.assertGreater(len(refused), 10)
        self.assertEqual({a.start for a in refused}, {"SIP/2.0 480 Come back later"})
        self.assertTrue(all(a.get("retry-after") is None for a in refused))

    def test_drop(self):
        self.start({"messages_per_second": 5, "action": "drop"})
        peer = self.peer()
        for i in range(40):
            peer.send(request("MESSAGE", call_id=f"d{i}", branch=f"z9hG4bKd{i}"))
        self.running.logged("reason=over_limit_dropped")
        peer.send(request("BYE", call_id="bye"))  # always passes
        seen = 0
        while (answer := peer.recv()).get("call-id") != "bye":
            self.assertEqual(answer.status, 200)
            seen += 1
        self.assertLess(seen, 30)

    def test_dialogs_come_before_new_ones(self):
        self.start({"messages_per_second": 20})
        peer = self.peer()
        peer.send(request("INVITE", call_id="dialog"))
        answer = peer.recv()
        routes = "".join(f"Route: {r}\r\n" for r in reversed(answer.all("record-route")))
        while True:  # spend it
            peer.send(request("MESSAGE", call_id="spend", branch="z9hG4bKspend"))
            if peer.recv().status == 503:
                break
        peer.send(request("INFO", call_id="dialog", branch="z9hG4bKinfo", cseq=2, to=answer.get("to"), extra=routes))
        self.assertEqual(peer.recv().status, 200)
        peer.send(request("BYE", call_id="dialog", branch="z9hG4bKbye", cseq=3, to=answer.get("to"), extra=routes))
        self.assertEqual(peer.recv().status, 200)

    def test_a_server_has_limits(self):
        self.start(server={"limits": {"calls_per_second": 5}})
        got = self.statuses(self.burst(40))
        self.assertGreater(got.count(503), 10)

    def test_all_together(self):
        self.start(overload={"messages_per_second": 5})
        got = self.statuses(self.burst(40, "MESSAGE"))
        self.assertGreater(got.count(503), 10)

    def test_a_container_asks_for_less(self):
        self.start(server={"overload_control": True})
        self.tcp.answer = lambda msg: Container.reply(msg).replace(';oc;oc-algo="loss"', ';oc=100;oc-algo="loss";oc-validity=30000', 1)
        peer = self.peer()
        peer.send(request("INVITE", call_id="first"))
        answer = peer.recv()
        self.assertEqual(answer.status, 200)
        self.assertIn(';oc;oc-algo="loss"', self.tcp.find("first").all("via")[0])
        self.assertNotIn("oc=", answer.head.decode())
        peer.send(request("INVITE", call_id="second", branch="z9hG4bK2"))
        self.assertEqual(peer.recv().status, 503)
        routes = "".join(f"Route: {r}\r\n" for r in reversed(answer.all("record-route")))
        peer.send(request("BYE", call_id="first", branch="z9hG4bK3", cseq=2, to=answer.get("to"), extra=routes))
        self.assertEqual(peer.recv().status, 200)

    def test_a_container_that_is_not_asked_is_not_heard(self):
        self.start()
        self.tcp.answer = lambda msg: Container.reply(msg).replace(";back=", ";oc=100;oc-validity=30000;back=", 1)
        peer = self.peer()
        for i in range(3):
            peer.send(request("INVITE", call_id=f"n{i}", branch=f"z9hG4bKn{i}"))
            self.assertEqual(peer.recv().status, 200)

    def test_a_peer_hears_that_it_is_too_much(self):
        self.start({"messages_per_second": 1}, entry={"overload_control": True})
        peer = self.peer()
        offer = 'client.partner.example;oc;oc-algo="rate,loss"'
        refused = None
        for i in range(10):
            peer.send(request("MESSAGE", call_id=f"o{i}", branch=f"z9hG4bKo{i}", via_host=offer))
            answer = peer.recv()
            refused = answer if answer.status == 503 else refused
        self.assertRegex(refused.get("via"), r';oc=50;oc-algo="loss";oc-validity=500;oc-seq=\d+\.\d+$')
        self.assertNotIn("rate", refused.get("via"))

    def test_connections(self):
        self.start({"connections": 3})
        peers = []
        for i in range(3):
            peers.append(self.peer())
            peers[-1].send(request(call_id=f"n{i}", branch=f"z9hG4bKn{i}"))
            self.assertEqual(peers[-1].recv().status, 200)
        more = self.peer()
        self.assertTrue(more.closed())
        self.running.logged("reason=too_many_connections_of_domain")
        peers.pop().close()

        def room():
            link = self.peer()
            try:
                link.send(request(call_id="room"))
                return link.recv() is not None
            except OSError:
                return False
        wait_for("room for one more", room, 10)


if __name__ == "__main__":
    main()
