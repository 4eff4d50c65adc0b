#!/usr/bin/env python3
"""Requests from the containers to external domains, and what comes back."""
import socket
import threading
import time

from harness import Domain, FlowTest, Link, PARTNER_DN, STRANGER_DN, free_port, main, request, wait_for

FROM_INSIDE = dict(uri="sip:carol@partner.example", from_="sip:bob@core.example", via_host="127.0.0.1:5070")


class SlowDomain(Domain):
    """Its kernel takes no connection until it is let go."""

    def __init__(self, pki):
        self.go = threading.Event()
        super().__init__(pki)
        time.sleep(0.05)  # for its thread to have made the queue short
        self.filler = []
        for _ in range(3):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self.filler.append(s)

    def _accept(self):
        self.listener.listen(0)
        self.go.wait(30)
        for s in self.filler:
            s.close()
        super()._accept()


class Outbound(FlowTest):
    workers = 1

    def start(self, cert="partner", entry=None, port=None, **changes):
        self.domain = Domain(self.pki, cert) if cert else None
        port = port or (self.domain.port if self.domain else free_port())
        one = {"domain": "partner.example", "distinguished_name": PARTNER_DN, "protocol": "TLS", "host": "127.0.0.1", "port": port}
        one.update(entry or {})
        self.one = one
        edge = self.edge(containers=1, external_domains=[one], **changes)
        if self.domain:
            self.containers.append(self.domain)  # closed with them
        return edge

    def test_a_request_goes_out_and_its_answer_comes_back(self):
        self.start()
        c = self.inside()
        c.send(request("INVITE", call_id="out1", **FROM_INSIDE,
                       extra="P-Preferred-Identity: <sip:x@core.example>\r\nP-Asserted-Identity: <sip:y@core.example>\r\n"
                             "Remote-Party-ID: <sip:z@core.example>\r\nPrivacy: id\r\n"))
        got = self.domain.find("out1")
        self.assertEqual(got.start, "INVITE sip:carol@partner.example SIP/2.0")
        vias = got.all("via")
        self.assertEqual(len(vias), 2)
        self.assertRegex(vias[0], r"^SIP/2\.0/TLS 127\.0\.0\.1:\d+;branch=z9hG4bK[0-9a-f]{32};back=[-\w]+;alias$")
        self.assertIn(";received=127.0.0.1;rport=", vias[1])
        for name in ("p-preferred-identity", "p-asserted-identity", "remote-party-id"):
            self.assertEqual(got.all(name), [], name)
        self.assertEqual(got.all("privacy"), ["id"])
        self.assertEqual(got.get("max-forwards"), "69")
        routes = got.all("record-route")
        self.assertEqual(len(routes), 2)
        self.assertIn(";transport=tls;lr>", routes[0])
        self.assertIn(";transport=tcp;lr>", routes[1])
        answer = c.recv()
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(answer.all("via")), 1)
        self.assertEqual(answer.all("p-preferred-identity"), ["<sip:carol@partner.example>"])
        self.assertEqual(len(answer.all("record-route")), 2)
        self.assertEqual(self.domain.names[0], "partner.example")
        row = self.running.ctl("domains")["domains"][0]
        self.assertEqual((row["domain"], row["connections"]), ("partner.example", 1))
        ours = [r for r in self.running.ctl("connections")["connections"] if r["domain"] == "partner.example"]
        self.assertEqual([(r["side"], r["trusted"]) for r in ours], [("external", True)])
        self.running.logged("event=connection_opened.*trust=trusted domain=partner.example")

    def test_one_connection_serves_all_and_order_is_kept(self):
        self.start()
        c = self.inside()
        c.send("".join(request(call_id=f"o{i}", branch=f"z9hG4bKo{i}", **FROM_INSIDE) for i in range(200)))
        for _ in range(200):
            self.assertEqual(c.recv().status, 200)
        self.assertEqual(len(self.domain.links), 1)
        self.assertEqual([m.get("call-id") for m in self.domain.messages], [f"o{i}" for i in range(200)])

    def test_to_a_trust_domain_the_asserted_identity_passes(self):
        self.start(entry={"trust_domain": True})
        c = self.inside()
        c.send(request(call_id="td", **FROM_INSIDE, extra="P-Asserted-Identity: <sip:y@core.example>\r\nPrivacy: id\r\n"
                                                           "P-Preferred-Identity: <sip:x@core.example>\r\nP-Charging-Vector: a=b\r\n"))
        got = self.domain.find("td")
        self.assertEqual(got.all("p-asserted-identity"), ["<sip:y@core.example>"])
        self.assertEqual(got.all("privacy"), ["id"])
        self.assertEqual(got.all("p-preferred-identity") + got.all("p-charging-vector"), [])

    def refused_by(self, edge, call_id):
        c = self.inside()
        c.send(request("INVITE", call_id=call_id, **FROM_INSIDE))
        answer = c.recv(15)
        self.assertEqual(answer.status, 503)
        self.assertTrue(answer.get("warning"), answer.head)
        self.assertEqual(self.domain.messages if self.domain else [], [])
        return answer

    def test_wrong_dn_gets_not_one_byte(self):
        edge = self.start("stranger")
        answer = self.refused_by(edge, "wrong")
        self.assertIn("partner.example", answer.get("warning"))
        wait_for("the end of all", lambda: all(link.ended for link in self.domain.links))
        edge.logged(r"event=server_refused.*")
        line = edge.logged(r"event=server_refused.*")[0]
        self.assertIn("sip.stranger.example", line)
        self.assertIn("sip.partner.example", line)

    def test_nobody_there(self):
        edge = self.start(cert=None)
        self.refused_by(edge, "nobody")

    def test_second_host_is_used(self):
        domain = Domain(self.pki)
        edge = self.edge(containers=1, external_domains=[
            {"domain": "partner.example", "distinguished_name": PARTNER_DN, "protocol": "TLS",
             "hosts": [{"host": "127.0.0.1", "port": free_port()}, {"host": "127.0.0.1", "port": domain.port}]}])
        self.containers.append(domain)
        c = self.inside()
        c.send(request(call_id="second", **FROM_INSIDE))
        self.assertEqual(c.recv().status, 200)

    def test_no_domain_and_local_domain(self):
        self.start()
        c = self.inside()
        c.send(request(call_id="none", uri="sip:x@elsewhere.example", from_="sip:bob@core.example"))
        answer = c.recv()
        self.assertEqual((answer.status, bool(answer.get("warning"))), (404, True))
        c.send(request(call_id="local", uri="sip:x@core.example", from_="sip:bob@core.example"))
        self.assertEqual(c.recv().status, 482)
        c.send(request(call_id="tel", uri="tel:+4930", from_="sip:bob@core.example"))
        self.assertEqual(c.recv().status, 404)
        c.send(request(call_id="sips", uri="sips:x@partner.example", from_="sip:bob@core.example"))
        answer = c.recv()
        self.assertEqual(answer.status, 480)
        self.assertIn("381", answer.get("warning"))
        c.send(request(call_id="ports", uri="sip:x@partner.example:9;maddr=127.0.0.9", from_="sip:bob@core.example"))
        self.assertEqual(c.recv().status, 200)

    def test_route_chooses_before_request_uri(self):
        self.start()
        c = self.inside()
        c.send(request(call_id="route", uri="sip:x@elsewhere.example", from_="sip:bob@core.example",
                       extra="Route: <sip:127.0.0.1:%d;lr>, <sip:sbc@partner.example;lr>\r\n" % self.running.port("internal", "TCP")))
        self.assertEqual(c.recv().status, 200)
        got = self.domain.find("route")
        self.assertEqual(got.all("route"), ["<sip:sbc@partner.example;lr>"])

    def test_to_chooses_when_so_configured(self):
        self.start(outbound_match="to")
        c = self.inside()
        c.send(request(call_id="to", uri="sip:x@elsewhere.example", from_="sip:bob@core.example", to="<sip:x@partner.example>"))
        self.assertEqual(c.recv().status, 200)

    def call_out(self, c, call_id):
        """An INVITE and its 200; returns what the domain got and the answer."""
        c.send(request("INVITE", call_id=call_id, **FROM_INSIDE))
        return self.domain.find(call_id), c.recv()

    def test_a_reload_while_connecting(self):
        slow = SlowDomain(self.pki)
        edge = self.start(cert=None, port=slow.port, timeouts={"connect": 10, "handshake": 10})
        self.containers.append(slow)
        c = self.inside()
        c.send(request(call_id="slow", **FROM_INSIDE))
        for i in range(5):
            edge.reload(dict(edge.config, retry_after=i))
        slow.go.set()
        self.assertEqual(c.recv(15).status, 200)

    def test_a_plain_connection_is_not_used_for_a_tls_domain(self):
        base = self.config([])
        base["listeners"].append({"side": "external", "protocol": "TCP", "host": "127.0.0.1", "port": 0})
        edge = self.start(cert=None, entry={"trusted_addresses": ["127.0.0.1"], "reuse": "always"}, listeners=base["listeners"])
        plain = Link(socket.create_connection(("127.0.0.1", edge.port("external", "TCP"))))
        plain.send(request(call_id="plain"))
        self.assertEqual(plain.recv().status, 200)
        c = self.inside()
        c.send(request(call_id="tlsonly", **FROM_INSIDE))
        self.assertEqual(c.recv(15).status, 503)

    def test_a_dialog_runs_both_ways(self):
        self.start()
        c = self.inside()
        invite, answer = self.call_out(c, "dialog")
        routes = "".join(f"Route: {r}\r\n" for r in reversed(answer.all("record-route")))
        c.send(request("BYE", uri="sip:carol@10.9.8.7:9999", from_="sip:bob@core.example", call_id="dialog", branch="z9hG4bKbye",
                       cseq=2, to="<sip:carol@partner.example>;tag=container", extra=routes))
        self.assertEqual(c.recv().status, 200)
        bye = self.domain.find("dialog", method="BYE")
        self.assertEqual(bye.all("route"), [])
        self.assertEqual(bye.start, "BYE sip:carol@10.9.8.7:9999 SIP/2.0")
        # The other way: from the domain's side over a connection of its own.
        peer = self.peer()
        routes = "".join(f"Route: {r}\r\n" for r in invite.all("record-route"))
        peer.send(request("UPDATE", uri="sip:bob@127.0.0.1:9", from_="sip:carol@partner.example", from_tag="container", call_id="dialog",
                          branch="z9hG4bKup", cseq=7, to="<sip:bob@core.example>;tag=t1", extra=routes))
        self.assertEqual(peer.recv().status, 200)
        update = self.container.find("dialog", method="UPDATE")
        self.assertEqual(update.all("route"), [])
        self.assertEqual(update.all("p-preferred-identity"), ["<sip:carol@partner.example>"])

    def test_a_dialog_of_an_untrusted_peer_runs_both_ways(self):
        profile = self.config([])["tls"]["edge"] | {"client_certificate": "request"}
        self.start(tls={"edge": profile})
        for workers in range(2):  # the second time over a connection of its own
            stranger = self.peer("stranger" if workers else None)
            call = f"untrusted{workers}"
            stranger.send(request("INVITE", call_id=call, from_="sip:s@stranger.example", branch=f"z9hG4bKu{workers}"))
            answer = stranger.recv()
            self.assertEqual(answer.status, 200)
            c = self.inside()
            routes = "".join(f"Route: {r}\r\n" for r in self.container.find(call).all("record-route"))
            c.send(request("BYE", uri="sip:s@10.9.8.7", from_="sip:bob@core.example", from_tag="container", call_id=call, cseq=9,
                           branch=f"z9hG4bKb{workers}", to="<sip:s@stranger.example>;tag=t1",
                           extra=routes + "P-Asserted-Identity: <sip:bob@core.example>\r\n"))
            bye = stranger.recv()
            self.assertEqual((bye.method, bye.all("route"), bye.all("p-asserted-identity")), ("BYE", [], []))
            stranger.send(self.container.reply(bye, "200 OK", "P-Preferred-Identity: <sip:x@core.example>\r\n"))
            done = c.recv()
            self.assertEqual((done.status, done.all("p-preferred-identity")), (200, []))
            stranger.close()
            c.send(request("INFO", uri="sip:s@10.9.8.7", from_="sip:bob@core.example", from_tag="container", call_id=call, cseq=10,
                           branch=f"z9hG4bKi{workers}", to="<sip:s@stranger.example>;tag=t1", extra=routes))
            self.assertIn(c.recv().status, (404, 503))

    def test_a_token_is_bound_to_its_domain(self):
        self.start()
        c = self.inside()
        invite, _ = self.call_out(c, "bound")
        routes = "".join(f"Route: {r}\r\n" for r in invite.all("record-route"))
        peer = self.peer()
        peer.send(request("BYE", uri="sip:bob@127.0.0.1:9", from_="sip:carol@partner.example", call_id="other-call",
                          branch="z9hG4bKx", cseq=7, extra=routes))
        self.assertEqual(peer.recv().status, 403)
        c.send(request("BYE", call_id="yet-another", branch="z9hG4bKy", cseq=7, uri="sip:x@partner.example",
                       from_="sip:bob@core.example", extra=routes))
        self.assertEqual(c.recv().status, 403)

    def test_cancel_and_ack_follow(self):
        self.start()
        self.domain.answer = lambda msg: None if msg.method == "INVITE" else self.domain.ok(msg)
        c = self.inside()
        c.send(request("INVITE", call_id="cancel", **FROM_INSIDE))
        invite = self.domain.find("cancel")
        c.send(request("CANCEL", call_id="cancel", **FROM_INSIDE))
        self.assertEqual(c.recv().status, 200)
        cancel = self.domain.find("cancel", method="CANCEL")
        self.assertEqual(cancel.all("via")[0].split(";")[1], invite.all("via")[0].split(";")[1])

    def test_an_aliased_connection_of_the_peer_is_reused(self):
        self.start(cert=None, entry={"reuse": "alias"})
        peer = self.peer()
        peer.send(request(call_id="in", via_host="client.partner.example;alias"))
        self.assertEqual(peer.recv().status, 200)
        c = self.inside()
        c.send(request("INVITE", call_id="reuse", **FROM_INSIDE))
        got = peer.recv()
        self.assertEqual((got.method, got.get("call-id")), ("INVITE", "reuse"))
        peer.send(self.container.reply(got))
        self.assertEqual(c.recv().status, 200)

    def test_without_alias_it_is_not(self):
        self.start(cert=None)
        peer = self.peer()
        peer.send(request(call_id="in"))
        self.assertEqual(peer.recv().status, 200)
        c = self.inside()
        c.send(request(call_id="noreuse", **FROM_INSIDE))
        self.assertEqual(c.recv(15).status, 503)

    def test_never_over_another_domains_connection(self):
        other = {"domain": "stranger.example", "distinguished_name": STRANGER_DN, "protocol": "TLS", "host": "127.0.0.1",
                 "port": free_port(), "reuse": "always"}
        domain = Domain(self.pki)
        edge = self.edge(containers=1, external_domains=[other, {
            "domain": "partner.example", "distinguished_name": PARTNER_DN, "protocol": "TLS", "host": "127.0.0.1",
            "port": domain.port, "reuse": "always"}])
        self.containers.append(domain)
        stranger = self.peer("stranger")
        stranger.send(request(call_id="s", from_="sip:s@stranger.example", via_host="x.stranger.example;alias"))
        self.assertEqual(stranger.recv().status, 200)
        c = self.inside()
        c.send(request(call_id="mine", **FROM_INSIDE))
        self.assertEqual(c.recv().status, 200)
        self.assertEqual(self.domain_calls(domain), ["mine"])
        c.send(request(call_id="theirs", uri="sip:x@stranger.example", from_="sip:bob@core.example"))
        self.assertEqual(stranger.recv().get("call-id"), "theirs")

    @staticmethod
    def domain_calls(domain):
        return [m.get("call-id") for m in domain.messages]

    def test_responses_count_only_from_the_domain_asked(self):
        domain = Domain(self.pki)
        other = {"domain": "stranger.example", "distinguished_name": STRANGER_DN, "protocol": "TLS", "host": "127.0.0.1", "port": free_port()}
        edge = self.edge(containers=1, external_domains=[other, {
            "domain": "partner.example", "distinguished_name": PARTNER_DN, "protocol": "TLS", "host": "127.0.0.1", "port": domain.port}])
        self.containers.append(domain)
        domain.answer = lambda msg: None
        c = self.inside()
        c.send(request("INVITE", call_id="resp", **FROM_INSIDE))
        got = domain.find("resp")
        stranger = self.peer("stranger")
        stranger.send(domain.reply(got, "200 OK"))
        edge.logged("reason=response_wrong_domain")
        late = self.peer("partner")  # the domain itself may answer over another connection
        late.send(domain.reply(got, "486 Busy Here"))
        self.assertEqual(c.recv().status, 486)

    def test_a_via_that_names_a_container_is_refused(self):
        self.start()
        peer = self.peer()
        peer.sock.sendall(request(call_id="own").encode())
        self.assertEqual(peer.recv().status, 200)
        # All tests run on one address, so a container elsewhere is needed to be spoofed.
        cfg = self.config(self.containers[:1])
        cfg["clusters"]["main"]["servers"].append({"host": "127.0.0.77", "port": 5099, "protocol": "TCP", "weight": 0})
        cfg["external_domains"] = [self.one]
        self.running.reload(cfg)
        peer.send(request(call_id="spoof", via_host="127.0.0.77:5099"))
        self.assertEqual(peer.recv().status, 403)

    def test_a_reload_that_takes_the_domain_away_closes_its_connection(self):
        edge = self.start()
        c = self.inside()
        c.send(request(call_id="before", **FROM_INSIDE))
        self.assertEqual(c.recv().status, 200)
        cfg = dict(edge.config)
        cfg["external_domains"] = []
        edge.reload(cfg)
        wait_for("its end", lambda: self.domain.link().ended)
        c.send(request(call_id="after", branch="z9hG4bKafter", **FROM_INSIDE))
        self.assertEqual(c.recv().status, 404)

    def test_strict_router(self):
        self.start()
        c = self.inside()
        invite, answer = self.call_out(c, "strict")
        ours = [r.strip("<>").replace(";lr", "") for r in reversed(answer.all("record-route"))]
        c.send(request("BYE", uri=ours[0], from_="sip:bob@core.example", call_id="strict", branch="z9hG4bKst", cseq=2,
                       to="<sip:carol@partner.example>;tag=container",
                       extra=f"Route: <{ours[1]}>, <sip:carol@10.9.8.7:9999>\r\n"))
        self.assertEqual(c.recv().status, 200)
        bye = self.domain.find("strict", method="BYE")
        self.assertEqual(bye.start, "BYE sip:carol@10.9.8.7:9999 SIP/2.0")
        self.assertEqual(bye.all("route"), [])

    def test_a_domain_that_comes_back_is_used(self):
        port = free_port()
        edge = self.start(cert=None, port=port)
        self.refused_by(edge, "down")
        self.domain = Domain(self.pki, port=port)
        self.containers.append(self.domain)

        def works():
            c = self.inside()
            c.send(request(call_id=f"up{time.monotonic_ns()}", **FROM_INSIDE))
            return c.recv(10).status == 200
        wait_for("the domain", works, 15)

    def test_keep_alives(self):
        self.start(entry={"options_ping": 1}, timeouts={"pong": 1})
        c = self.inside()
        c.send(request(call_id="first", **FROM_INSIDE))
        self.assertEqual(c.recv().status, 200)

        def pings():
            with self.domain.lock:
                return [m for m in self.domain.messages if m.method == "OPTIONS" and m.get("call-id") != "first"]
        wait_for("two pings that were answered", lambda: len(pings()) >= 2, 15)
        self.assertEqual(pings()[0].start, "OPTIONS sip:partner.example SIP/2.0")
        self.assertFalse(self.domain.links[0].ended)
        self.domain.answer = lambda msg: None
        self.running.logged("reason=.no answer to a keep-alive", 15)
        wait_for("its end", lambda: self.domain.links[0].ended, 5)

    def test_crlf_keep_alives(self):
        self.start(entry={"crlf_ping": 1}, timeouts={"pong": 1})
        c = self.inside()
        c.send(request(call_id="first", **FROM_INSIDE))
        self.assertEqual(c.recv().status, 200)
        self.running.logged("reason=.no answer to a keep-alive", 15)  # the test's server knows nothing of RFC 5626

    def test_it_is_not_an_open_relay(self):
        self.start()
        peer = self.peer()
        for i, extra in enumerate(("Route: <sip:partner.example;lr>\r\n", "Route: <sip:10.1.2.3:9;lr>\r\n")):
            peer.send(request(call_id=f"relay{i}", branch=f"z9hG4bKr{i}", extra=extra))
            self.assertEqual(peer.recv().status, 403)
        peer.send(request(call_id="relay9", uri="sip:x@partner.example"))
        self.assertEqual(peer.recv().status, 404)
        self.assertEqual(self.domain.messages, [])


if __name__ == "__main__":
    main()
