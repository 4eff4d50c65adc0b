#!/usr/bin/env python3
"""What happens to a message between a peer and the containers."""
import socket
import time

from harness import Container, FlowTest, Link, main, request, wait_for


class Routing(FlowTest):
    workers = 1

    def test_via_and_record_route(self):
        self.edge()
        link = self.peer()
        link.send(request("INVITE", call_id="rr", extra="Route: <sip:core.example;lr>\r\n"))
        answer = link.recv()
        got = self.container.find("rr")
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(got.all("via")), 2)
        self.assertEqual(got.all("route"), [])
        self.assertIn("received=127.0.0.1", got.all("via")[1])
        self.assertRegex(got.all("via")[1], r"rport=\d+")
        self.assertEqual(answer.all("via"), [got.all("via")[1]])
        inside, outside = got.all("record-route")
        self.assertIn("transport=tcp;lr", inside)
        self.assertIn(f"@127.0.0.1:{self.tls_port};transport=tls;lr", outside)
        self.assertEqual(got.get("max-forwards"), "69")

    def dialog(self, link, call_id, **kw):
        link.send(request("INVITE", call_id=call_id, branch=f"z9hG4bKi{call_id}", **kw))
        answer = link.recv()
        self.assertEqual(answer.status, 200)
        routes = "".join(f"Route: {r}\r\n" for r in reversed(answer.all("record-route")))
        return answer, routes

    def test_a_whole_call(self):
        self.edge()
        link = self.peer()
        answer, routes = self.dialog(link, "call")
        target = "sip:bob@127.0.0.1:9"
        link.send(request("ACK", target, call_id="call", branch="z9hG4bKa", extra=routes, to=answer.get("to")))
        ack = self.container.find("call", method="ACK")
        self.assertEqual(ack.all("route"), [])
        self.assertEqual(ack.all("p-preferred-identity"), ["<sip:alice@partner.example>"])
        for cseq, method in enumerate(("INVITE", "UPDATE", "INFO", "BYE"), 2):
            link.send(request(method, target, call_id="call", branch=f"z9hG4bK{method}{cseq}", cseq=cseq, extra=routes, to=answer.get("to")))
            self.assertEqual(link.recv().status, 200, method)
            self.assertTrue(self.container.find("call", method=method).start.startswith(f"{method} {target} "))

    def test_tokens_are_bound(self):
        self.edge()
        link = self.peer()
        answer, routes = self.dialog(link, "mine")
        target = "sip:bob@127.0.0.1:9"
        link.send(request("BYE", target, call_id="other", branch="z9hG4bKo", cseq=2, extra=routes))
        self.assertEqual(link.recv().status, 403, "a token of another dialog")
        forged = routes.replace("Route: <sip:", "Route: <sip:A", 1)
        link.send(request("BYE", target, call_id="mine", branch="z9hG4bKf", cseq=2, extra=forged))
        self.assertEqual(link.recv().status, 403, "a forged token")
        self.assertEqual(self.container.count("other"), 0)

    def test_no_relay(self):
        self.edge()
        link = self.peer()
        for n, (uri, extra, want) in enumerate((
                ("sip:x@elsewhere.example", "", 404),
                ("sip:x@127.0.0.1:5999", "", (200, 404)),
                ("sip:x@core.example", "Route: <sip:elsewhere.example;lr>\r\n", 403),
                ("sip:x@core.example", "Route: <sip:core.example;lr>, <sip:elsewhere.example;lr>\r\n", 403),
                ("sips:x@core.example", "", 480),
                ("mailto:x@core.example", "", 416),
                ("sip:x@core.example", "Proxy-Require: privacy\r\n", 420))):
            link.send(request(uri=uri, call_id=f"relay{n}", branch=f"z9hG4bKr{n}", extra=extra))
            status = link.recv().status
            self.assertIn(status, want if isinstance(want, tuple) else (want,), uri)

    def test_max_forwards(self):
        self.edge()
        link = self.peer()
        link.send(request(call_id="mf").replace("Max-Forwards: 70", "Max-Forwards: 0"))
        self.assertEqual(link.recv().status, 483)
        link.send(request(uri="sip:core.example", call_id="mf2").replace("Max-Forwards: 70", "Max-Forwards: 0"))
        self.assertEqual(link.recv().status, 200)
        self.assertEqual(self.container.count("mf2"), 0, "OPTIONS to the proxy is its own to answer")

    def test_methods_and_keepalive(self):
        self.edge()
        link = self.peer()
        link.send(request("REGISTER", "sip:core.example", call_id="reg"))
        answer = link.recv()
        self.assertEqual(answer.status, 405)
        self.assertIn("INVITE", answer.get("allow"))
        link.send(b"\r\n\r\n")
        link.sock.settimeout(5)
        self.assertEqual(link.sock.recv(10), b"\r\n")

    def test_a_bad_message_costs_only_itself(self):
        self.edge()
        link = self.peer()
        good = request(call_id="ok")
        for n, (bad, name) in enumerate((
                (good.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"), "CSeq"),
                (good.replace("Call-ID: ok", "Call-ID: ok\r\nCall-ID: ok"), "Call-ID"),
                (good.replace("From: <sip:alice@partner.example>;tag=t1\r\n", ""), "From"),
                (good.replace("Max-Forwards: 70", "Max-Forwards: 256"), "Max-Forwards"),
                (good.replace("Contact:", "P_Asserted_Identity: <sip:a@b.example>\r\nContact:"), "name"))):
            link.send(bad)
            answer = link.recv()
            self.assertEqual(answer.status, 400, name)
            self.assertIn(name, answer.start)
        link.send(request(call_id="still", branch="z9hG4bKs"))
        self.assertEqual(link.recv().status, 200)

    def test_framing_errors_close(self):
        self.edge()
        good = request(call_id="ok")
        for bad in (good.replace("Content-Length: 0", "Content-Length: +0"), good.replace("Content-Length: 0\r\n", ""),
                    good.replace("Content-Length: 0", "Content-Length: 0\r\nl: 0"), good.replace("\r\nTo:", "\nTo:"),
                    good.replace("Content-Length: 0", "Content-Length: 4294967296")):
            link = self.peer()
            link.send(bad)
            self.assertEqual(link.recv().status, 400)
            self.assertTrue(link.closed())

    def test_cancel_and_ack_follow_the_invite(self):
        self.edge(containers=4)
        link = self.peer()
        for c in self.containers:
            c.answer = lambda msg, c=c: c.reply(msg, "486 Busy Here") if msg.method == "INVITE" else c.ok(msg)
        for n in range(12):
            link.send(request("INVITE", call_id=f"f{n}", branch=f"z9hG4bKf{n}"))
            self.assertEqual(link.recv().status, 486)
            link.send(request("ACK", call_id=f"f{n}", branch=f"z9hG4bKf{n}"))
            link.send(request("CANCEL", call_id=f"f{n}", branch=f"z9hG4bKf{n}"))
            self.assertEqual(link.recv().status, 200)
            home = [c for c in self.containers if c.count(f"f{n}")]
            self.assertEqual(len(home), 1)
            vias = {m.all("via")[0].split("branch=")[1].split(";")[0] for m in home[0].messages if m.get("call-id") == f"f{n}"}
            self.assertEqual(len(vias), 1, "one branch for INVITE, ACK and CANCEL")
        self.assertGreater(sum(bool(c.messages) for c in self.containers), 1, "calls are spread")

    def test_next_server_when_one_is_down(self):
        self.edge(containers=2)
        link = self.peer()
        self.containers[0].close()
        # What is handed to a connection whose end is not known yet is left to the sender's timers.
        wait_for("both workers", lambda: len(self.running.logged("event=container_down")) >= self.workers)
        for n in range(20):
            link.send(request(call_id=f"n{n}", branch=f"z9hG4bKn{n}"))
            answer = link.recv()
            self.assertEqual(answer.status, 200)
        self.containers[1].close()
        wait_for("503", lambda: self.status_of(link) == 503, 5)
        link.send(request(call_id="down", branch="z9hG4bKdown"))
        answer = link.recv()
        self.assertEqual((answer.status, answer.get("retry-after")), (503, "5"))
        self.containers.append(Container(self.containers[1].port))
        wait_for("reconnect", lambda: self.status_of(link) == 200, 10)

    def status_of(self, link):
        self.n = getattr(self, "n", 0) + 1
        link.send(request(call_id=f"s{self.n}", branch=f"z9hG4bKs{self.n}"))
        try:  # what was handed to a connection that then died is left to the sender's timers
            answer = link.recv(1)
        except TimeoutError:
            return None
        self.assertEqual(answer.get("call-id"), f"s{self.n}")
        return answer.status

    def test_a_container_that_comes_back_is_used(self):
        self.edge()
        link = self.peer()
        port = self.container.port
        self.container.close()
        wait_for("down", lambda: self.status_of(link) == 503, 5)
        self.containers.append(Container(port))
        wait_for("up", lambda: self.status_of(link) == 200, 10)

    def test_containers_requests_get_503(self):
        self.edge()
        link = Link(socket.create_connection(("127.0.0.1", self.running.port("internal", "TCP"))))
        link.send(request("INVITE", "sip:x@partner.example", call_id="out", from_="sip:bob@core.example").replace("/TLS", "/TCP"))
        answer = link.recv()
        self.assertEqual(answer.status, 503)
        self.assertIn("399", answer.get("warning"))

    def test_responses_from_outside_reach_nobody(self):
        self.edge()
        link = self.peer()
        link.send(request(call_id="first"))
        link.recv()
        via = self.container.find("first").all("via")[0]
        link.send(f"SIP/2.0 200 OK\r\nVia: {via}\r\nVia: SIP/2.0/TLS x;branch=z9hG4bKx\r\nFrom: <sip:a@partner.example>;tag=1\r\n"
                  "To: <sip:b@core.example>;tag=2\r\nCall-ID: first\r\nCSeq: 1 OPTIONS\r\nP-Preferred-Identity: <sip:x@y.example>\r\nContent-Length: 0\r\n\r\n")
        link.send(request(call_id="second", branch="z9hG4bK2"))
        self.assertEqual(link.recv().get("call-id"), "second")
        self.assertEqual(self.container.count("first"), 1)

    def test_identity_leaves_responses_to_outside(self):
        self.edge()
        self.container.answer = lambda msg: Container.reply(msg, extra="P-Preferred-Identity: <sip:bob@core.example>\r\nP-Asserted-Identity: <sip:bob@core.example>\r\n")
        link = self.peer()
        link.send(request(call_id="resp"))
        answer = link.recv()
        self.assertEqual(answer.all("p-preferred-identity") + answer.all("p-asserted-identity"), [])

    def test_body_is_untouched_and_large_ones_pass(self):
        self.edge()
        link = self.peer()
        body = "v=0\r\nP-Preferred-Identity: <sip:in@body.example>\r\n\r\n" + "x" * 700000
        link.send(request("MESSAGE", call_id="big", extra="Content-Type: text/plain\r\n", body=body))
        self.assertEqual(link.recv(15).status, 200)
        self.assertEqual(self.container.find("big").body.decode(), body)

    def test_slow_peer_bytes(self):
        self.edge()
        link = self.peer()
        data = request(call_id="slow").encode()
        for i in range(0, len(data), 7):
            link.send(data[i:i + 7])
            time.sleep(0.001)
        self.assertEqual(link.recv().status, 200)

    def test_strangers_on_the_internal_side_are_closed(self):
        self.edge()
        raw = socket.socket()
        raw.bind(("127.0.0.9", 0))
        raw.settimeout(5)
        raw.connect(("127.0.0.1", self.running.port("internal", "TCP")))
        try:
            self.assertEqual(raw.recv(1), b"")
        except ConnectionError:
            pass
        self.running.logged("reason=source_not_allowed")


if __name__ == "__main__":
    main()
