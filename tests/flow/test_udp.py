#!/usr/bin/env python3
"""Datagrams on both sides, and connections without TLS: who is believed, and where answers go."""
import os
import signal
import socket
import threading
import time

from harness import Container, FlowTest, Link, free_port, main, request, take_message, wait_for

PLAIN = {"domain": "partner.example", "protocol": "UDP", "host": "127.0.0.1"}


def udp_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


class Peer:
    """A UDP socket that sends and receives whole messages."""

    def __init__(self, port, host="127.0.0.1", source=None, own=0):
        v6 = ":" in host
        self.sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((source or ("::1" if v6 else "127.0.0.1"), own))
        self.sock.settimeout(5)
        self.to = (host, port)
        self.source = None
        self.port = self.sock.getsockname()[1]

    def send(self, text):
        self.sock.sendto(text if isinstance(text, bytes) else text.encode("latin1"), self.to)

    def recv(self, seconds=5):
        self.sock.settimeout(seconds)
        data, self.source = self.sock.recvfrom(65536)
        return take_message(bytearray(data))

    def silent(self, seconds=0.5):
        try:
            return self.recv(seconds) is None
        except (TimeoutError, socket.timeout):
            return True

    def close(self):
        self.sock.close()


class UdpContainer(Peer):
    """A container that is spoken to by datagram."""

    def __init__(self):
        super().__init__(0)
        self.messages = []
        self.answer = Container.reply
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.sock.settimeout(None)
                data, source = self.sock.recvfrom(65536)
            except OSError:
                return
            msg = take_message(bytearray(data))
            self.messages.append(msg)
            reply = self.answer(msg) if msg and msg.method and msg.method != "ACK" else None
            if reply:
                self.sock.sendto(reply.encode(), source)

    def find(self, call_id, method=None):
        return wait_for(f"datagram {call_id}", lambda: [m for m in self.messages if m.get("call-id") == call_id and method in (None, m.method)])[-1]

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def without_length(text):
    return "".join(line for line in text.splitlines(True) if not line.startswith("Content-Length"))


class Udp(FlowTest):
    workers = 2

    def start(self, entry=None, containers=1, outside=("127.0.0.1",), inside=False, **changes):
        base = self.config([])
        for host in outside:
            one = {"side": "external", "protocol": "UDP", "host": host, "port": 0}
            if host == "0.0.0.0":
                one["advertise"] = "edge.core.example"
            base["listeners"].append(one)
        base["listeners"].append({"side": "external", "protocol": "TCP", "host": "127.0.0.1", "port": 0})
        base["external_domains"] = [dict(PLAIN, **(entry or {}))]
        self.udp = None
        if inside:
            self.udp = UdpContainer()
            base["listeners"].append({"side": "internal", "protocol": "UDP", "host": "127.0.0.1", "port": 0})
            base["clusters"]["main"]["servers"] = [{"host": "127.0.0.1", "port": self.udp.port, "protocol": "UDP"}]
        else:
            self.tcp = Container()
            base["clusters"]["main"]["servers"] = [{"host": "127.0.0.1", "port": self.tcp.port, "protocol": "TCP"}]
        base.update(changes)
        edge = self.edge(base, containers=0)
        self.containers.append(self.udp or self.tcp)
        self.port = edge.port("external", "UDP")
        return edge

    def test_an_untrusted_request_and_its_answer(self):
        self.start()
        p = Peer(self.port)
        p.send(request("INVITE", call_id="u1", via_host=f"127.0.0.1:{p.port}",
                       extra="P-Preferred-Identity: <sip:x@core.example>\r\n"))
        got = self.tcp.find("u1")
        self.assertEqual(got.all("p-preferred-identity"), [])
        self.assertIn(f"received=127.0.0.1;rport={p.port}", got.all("via")[1])
        self.assertIn(";transport=udp", got.all("record-route")[1])
        answer = p.recv()
        self.assertEqual((answer.status, len(answer.all("via"))), (200, 1))
        self.assertEqual(p.source, ("127.0.0.1", self.port))

    def test_a_burst_waits_for_a_worker_that_is_late(self):
        with open("/proc/sys/net/core/rmem_max") as f:
            if os.geteuid() != 0 and int(f.read()) < 4 << 20:
                self.skipTest("net.core.rmem_max is below 4 MiB")
        edge = self.start(workers=1)
        pid = edge.status()["workers"][0]["pid"]
        p = Peer(self.port)
        os.kill(pid, signal.SIGSTOP)
        try:
            for i in range(500):
                p.send(request(uri="sip:core.example", call_id=f"burst{i}", via_host=f"127.0.0.1:{p.port}"))
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for("all of them", lambda: edge.status()["counters"]["requests_in"] >= 500)

    def test_trusted_addresses_need_trust_udp(self):
        edge = self.start(entry={"trusted_addresses": ["127.0.0.0/8"]})
        p = Peer(self.port)
        p.send(request(call_id="no"))
        self.assertEqual(self.tcp.find("no").all("p-preferred-identity"), [])
        cfg = dict(edge.config)
        cfg["external_domains"] = [dict(cfg["external_domains"][0], trust_udp=True)]
        edge.reload(cfg)
        p.send(request(call_id="yes", branch="z9hG4bKyes"))
        self.assertEqual(self.tcp.find("yes").all("p-preferred-identity"), ["<sip:alice@partner.example>"])

    def test_trusted_addresses_over_tcp(self):
        edge = self.start(entry={"trusted_addresses": ["127.0.0.5"]})
        for source, want in (("127.0.0.5", ["<sip:alice@partner.example>"]), ("127.0.0.6", [])):
            sock = socket.socket()
            sock.bind((source, 0))
            sock.connect(("127.0.0.1", edge.port("external", "TCP")))
            link = Link(sock)
            link.send(request(call_id="tcp" + source, branch="z9hG4bK" + source))
            self.assertEqual(link.recv().status, 200)
            self.assertEqual(self.tcp.find("tcp" + source).all("p-preferred-identity"), want)

    def test_content_length(self):
        self.start()
        p = Peer(self.port)
        p.send(without_length(request("MESSAGE", call_id="none")) + "hello")
        self.assertEqual(self.tcp.find("none").body, b"hello")
        p.send(request("MESSAGE", call_id="less", branch="z9hG4bK2", body="abcd").replace("Content-Length: 4", "Content-Length: 2"))
        self.assertEqual(self.tcp.find("less").body, b"ab")
        for _ in range(2):
            self.assertEqual(p.recv().status, 200)
        p.send(request("MESSAGE", call_id="more", branch="z9hG4bK3", body="abcd").replace("Content-Length: 4", "Content-Length: 5"))
        answer = p.recv()
        self.assertEqual(answer.status, 400)
        self.assertIn("Content-Length", answer.start)

    def test_what_is_no_message_is_dropped(self):
        self.start()
        p = Peer(self.port)
        for junk in (b"", b"\r\n\r\n", b"hello", b"\x00" * 1000, b"INVITE sip:a@b SIP/2.0\r\n\r\n",
                     request(call_id="novia").replace("Via:", "X-Via:").encode()):
            p.send(junk)
        self.assertTrue(p.silent())
        p.send(request(call_id="good"))
        self.assertEqual(p.recv().status, 200)
        self.assertEqual(self.tcp.count("novia"), 0)

    def test_a_large_datagram(self):
        self.start()
        p = Peer(self.port)
        p.send(request("MESSAGE", call_id="large", body="x" * 60000))
        self.assertEqual(len(self.tcp.find("large").body), 60000)
        self.assertEqual(p.recv().status, 200)

    def test_answers_come_from_the_address_that_was_asked(self):
        self.start(outside=("0.0.0.0",))
        for host in ("127.0.0.2", "127.0.0.3"):
            p = Peer(self.port, host=host)
            p.send(request("OPTIONS", call_id=host, branch="z9hG4bK" + host))
            self.assertEqual(p.recv().status, 200)
            self.assertEqual(p.source, (host, self.port))
            p.send(request("OPTIONS", uri="sip:elsewhere.example", call_id="r" + host, branch="z9hG4bKr" + host))
            self.assertEqual(p.recv().status, 404)
            self.assertEqual(p.source, (host, self.port))

    def test_ipv6(self):
        self.start(outside=("::1",))
        p = Peer(self.port, host="::1")
        p.send(request(call_id="v6", via_host="[::1]:5060"))
        self.assertEqual(p.recv().status, 200)
        self.assertIn("received=::1", self.tcp.find("v6").all("via")[1])

    def test_without_rport_the_answer_goes_to_the_port_of_the_via(self):
        self.start()
        p, q = Peer(self.port), Peer(self.port)
        p.send(request(call_id="sentby", via_host=f"127.0.0.1:{q.port}").replace(";rport", ""))
        self.assertEqual(q.recv().status, 200)
        p.send(request(uri="sip:x@elsewhere.example", call_id="sentby2", via_host=f"127.0.0.1:{q.port}").replace(";rport", ""))
        self.assertEqual(q.recv().status, 404)
        self.assertTrue(p.silent())

    def test_many_peers_with_two_workers(self):
        self.start()
        peers = [Peer(self.port) for _ in range(40)]
        for i, p in enumerate(peers):
            p.send(request(call_id=f"m{i}", branch=f"z9hG4bKm{i}", via_host=f"127.0.0.1:{p.port}"))
        for i, p in enumerate(peers):
            self.assertEqual(p.recv().get("call-id"), f"m{i}")

    def test_a_container_by_datagram(self):
        self.start(inside=True)
        peers = [Peer(self.port) for _ in range(10)]
        for i, p in enumerate(peers):
            p.send(request("INVITE", call_id=f"c{i}", branch=f"z9hG4bKc{i}", via_host=f"127.0.0.1:{p.port}"))
        for i, p in enumerate(peers):
            self.assertEqual(p.recv().get("call-id"), f"c{i}")
        invite = self.udp.find("c0")
        self.assertRegex(invite.all("via")[0], r"^SIP/2\.0/UDP ")
        self.assertIn(";transport=udp", invite.all("record-route")[0])
        peers[0].send(request("CANCEL", call_id="c0", branch="z9hG4bKc0", via_host=f"127.0.0.1:{peers[0].port}"))
        self.assertEqual(self.udp.find("c0", "CANCEL").all("via")[0].split(";")[1], invite.all("via")[0].split(";")[1])

    def test_a_container_by_datagram_behind_tls(self):
        self.start(inside=True, entry={"protocol": "TLS", "distinguished_name": "CN=sip.partner.example,O=Partner GmbH,C=DE"})
        links = [self.peer() for _ in range(8)]
        for i, link in enumerate(links):
            link.send(request(call_id=f"t{i}", branch=f"z9hG4bKt{i}"))
        for i, link in enumerate(links):
            self.assertEqual(link.recv().get("call-id"), f"t{i}")
        self.assertEqual(self.udp.find("t3").all("p-preferred-identity"), ["<sip:alice@partner.example>"])

    def domain(self, edge, **entry):
        """The external domain as a UDP socket of the test's own."""
        peer = UdpContainer()
        self.containers.append(peer)
        cfg = dict(edge.config)
        cfg["external_domains"] = [dict(cfg["external_domains"][0], port=peer.port, **entry)]
        edge.reload(cfg)
        return peer

    def test_a_domain_by_datagram(self):
        edge = self.start(entry={"port": udp_port()})
        domain = self.domain(edge)
        links = [self.inside() for _ in range(8)]
        for i, c in enumerate(links):
            c.send(request("INVITE", uri="sip:carol@partner.example", from_="sip:bob@core.example", call_id=f"o{i}",
                           branch=f"z9hG4bKo{i}", via_host="127.0.0.1:5070", extra="P-Asserted-Identity: <sip:bob@core.example>\r\n"))
        for i, c in enumerate(links):
            answer = c.recv()
            self.assertEqual((answer.status, answer.get("call-id")), (200, f"o{i}"))
            self.assertEqual(answer.all("p-preferred-identity"), [])  # nobody proved anything
        got = domain.find("o0")
        self.assertRegex(got.all("via")[0], r"^SIP/2\.0/UDP 127\.0\.0\.1:%d;" % self.port)
        self.assertNotIn("alias", got.all("via")[0])
        self.assertEqual(got.all("p-asserted-identity"), [])

    def test_only_where_it_went_may_answer(self):
        edge = self.start(entry={"port": udp_port()})
        domain = self.domain(edge)
        domain.answer = lambda msg: None
        c = self.inside()
        c.send(request("INVITE", uri="sip:carol@partner.example", from_="sip:bob@core.example", call_id="spoof", via_host="127.0.0.1:5070"))
        got = domain.find("spoof")
        for source in ("127.0.0.1", "127.0.0.9"):
            other = Peer(self.port, source=source)
            other.send(Container.reply(got))
        edge.logged("reason=response_")
        domain.sock.sendto(Container.reply(got, "486 Busy Here").encode(), ("127.0.0.1", self.port))
        self.assertEqual(c.recv().status, 486)

    def test_large_requests_go_by_a_stream(self):
        stream = Container()
        edge = self.start(entry={"port": stream.port})
        self.containers.append(stream)
        c = self.inside()
        c.send(request("MESSAGE", uri="sip:carol@partner.example", from_="sip:bob@core.example", call_id="big", via_host="127.0.0.1:5070",
                       body="x" * 2000))
        self.assertEqual(c.recv().status, 200)
        self.assertRegex(stream.find("big").all("via")[0], r"^SIP/2\.0/TCP ")

    def test_a_reload_moves_the_socket_that_containers_are_spoken_to_from(self):
        edge = self.start(inside=True)
        p = Peer(self.port)
        p.send(request(call_id="before", branch="z9hG4bKb"))
        self.assertEqual(p.recv().status, 200)
        cfg = dict(edge.config)
        cfg["listeners"] = [dict(l, port=udp_port()) if (l["side"], l["protocol"]) == ("internal", "UDP") else l for l in cfg["listeners"]]
        edge.reload(cfg)

        def answered():
            p.send(request(call_id="after", branch=f"z9hG4bK{time.monotonic_ns()}"))
            return p.recv().status == 200
        wait_for("an answer over the new socket", answered, 10)
        self.assertIn(":%d;" % edge.port("internal", "UDP"), self.udp.find("after").all("via")[0])

    def test_strangers_inside_are_not_heard(self):
        edge = self.start(inside=True)
        p = Peer(edge.port("internal", "UDP"), source="127.0.0.66")
        p.send(request(call_id="stranger", uri="sip:carol@partner.example", from_="sip:bob@core.example"))
        self.assertTrue(p.silent())

    def test_a_reload_keeps_the_socket_and_a_killed_worker_is_replaced(self):
        edge = self.start()
        p = Peer(self.port)
        edge.reload(dict(edge.config, retry_after=7))
        p.send(request(call_id="reloaded"))
        self.assertEqual(p.recv().status, 200)
        import os
        import signal
        for worker in edge.status()["workers"]:
            os.kill(worker["pid"], signal.SIGKILL)

        def answered():
            p.send(request(call_id="again", branch=f"z9hG4bK{time.monotonic_ns()}"))
            try:
                return p.recv(1).status == 200
            except (TimeoutError, socket.timeout):
                return False
        wait_for("the replacement", answered, 15)


if __name__ == "__main__":
    main()
