#!/usr/bin/env python3
"""Whole calls, begun and ended by either side, with real peers: SIPp, Kamailio, and another sipward."""
import os
import signal
import socket

from harness import PARTNER_DN, Container, Domain, Edge, FlowTest, Link, connect_tls, free_port, main, request, tls_context, wait_for
from peers import PeerTest, Port
from talk import CALLS, Talk

COUNT = int(os.environ.get("SIPWARD_PEER_CALLS", "20"))
EDGE = "127.0.0.1"
OUTSIDE = "127.0.0.2"
INSIDE = "127.0.0.3"
CARRIER = "127.0.0.4"
ALICE = "alice@partner.example"
BOB = "bob@core.example"
ALICE_URI, BOB_URI = "sip:" + ALICE, "sip:" + BOB


class Calls(PeerTest):
    """An edge with one container and one domain, whoever they are."""

    vias = records = 2
    protocol = "TCP"  # of the container
    outside = "TLS"   # of the domain

    def server(self, container):
        return {"host": INSIDE, "port": container, "protocol": self.protocol}

    def start(self, container, domain_port, **entry):
        one = {"domain": "partner.example", "distinguished_name": PARTNER_DN, "protocol": "TLS", "host": OUTSIDE, "port": domain_port,
               **entry}
        cfg = self.config([])
        cfg["clusters"]["main"]["servers"] = [self.server(container)]
        cfg["listeners"][1]["protocol"] = self.protocol
        if self.protocol == "TLS":
            cfg["listeners"][1]["tls"] = "edge"
        if self.outside == "UDP":
            cfg["listeners"].append({"side": "external", "protocol": "UDP", "host": EDGE, "port": 0})
        cfg["external_domains"] = [one]
        self.containers = []
        self.running = Edge(self.run_dir, cfg)
        self.running.start()

    def between(self, inside, outside, a, b, outward):
        """Calls between (own place, whom it calls) of either side; both ends must like them all, and so must the edge."""
        inside, outside = (*inside, self.protocol == "UDP"), (*outside, self.outside == "UDP")
        (from_, via, from_udp), (to, _, to_udp) = (inside, outside) if outward else (outside, inside)
        called = self.sipp(b, to, count=COUNT, udp=to_udp)
        caller = self.sipp(a, from_, via, COUNT, from_udp)
        self.up(self.running)
        caller.begin()
        want = (0, COUNT, 0)
        for name, end in (("caller", caller), ("callee", called)):
            got, errors = end.result()
            self.assertEqual(got, want, f"{name}: {errors}\n{self.running.log.read_text(errors='replace')[-3000:]}")
        self.clean(self.running)

    def up(self, edge):
        """Each worker has a connection to its container; over UDP there is none to be up."""
        if self.protocol != "UDP":
            wait_for("the containers", lambda: len(edge.logged("event=container_up")) >= self.workers, 20)

    def clean(self, edge):
        counters = edge.status()["counters"]
        self.assertEqual({n: counters[n] for n in ("refused", "dropped", "faults", "identity_violations")},
                         {"refused": 0, "dropped": 0, "faults": 0, "identity_violations": 0}, edge.log.read_text(errors="replace")[-3000:])

    def both_ends(self, name, outward, direct=True, inside=None):
        a, b, container = (BOB, ALICE, "a") if outward else (ALICE, BOB, "b")
        talk = Talk(CALLS[name], a, b, inside or container, direct, self.vias, self.records)
        return talk.scenario("a"), talk.scenario("b")


class SippTls(Calls):
    """SIPp as container and, behind stunnel, as external domain."""

    programs = ("sipp", "stunnel4")

    def run_call(self, name, outward):
        a, b = self.both_ends(name, outward)
        phone, container = Port(OUTSIDE), Port(INSIDE)
        self.start(container.port, self.stunnel("partner", phone.at, True, OUTSIDE))
        tunnel = self.stunnel("partner", f"{EDGE}:{self.running.port()}")
        inside = f"{EDGE}:{self.running.port('internal', self.protocol)}"
        self.between((container, inside), (phone, f"127.0.0.1:{tunnel}"), a, b, outward)


class Sipp(SippTls):
    """... over TCP."""


class SippUdpContainer(SippTls):
    """... over UDP."""

    protocol = "UDP"


class SippUdp(Calls):
    """SIPp over UDP on both sides, trusted by its address alone."""

    programs = ("sipp",)
    protocol = "UDP"
    outside = "UDP"

    def run_call(self, name, outward):
        a, b = self.both_ends(name, outward)
        phone, container = Port(OUTSIDE), Port(INSIDE)
        self.start(container.port, phone.port, protocol="UDP", trusted_addresses=[OUTSIDE], trust_udp=True)
        inside = f"{EDGE}:{self.running.port('internal', 'UDP')}"
        self.between((container, inside), (phone, f"{EDGE}:{self.running.port('external', 'UDP')}"), a, b, outward)


class KamailioDomain(Calls):
    """Kamailio, with phones behind it, is the external domain, over mutual TLS; the container is SIPp."""

    programs = ("sipp", "kamailio")
    vias, records = 3, 4

    def run_call(self, name, outward):
        a, b = self.both_ends(name, outward, False)
        phone, container, front = Port(OUTSIDE), Port(INSIDE), Port(OUTSIDE)
        self.start(container.port, front.port)
        behind = self.kamailio(front, phone, f"{EDGE}:{self.running.port()}", "partner")
        inside = f"{EDGE}:{self.running.port('internal', 'TCP')}"
        self.between((container, inside), (phone, behind), a, b, outward)


class KamailioInside(Calls):
    """Kamailio, with application servers behind it, is the container; the domain is SIPp behind stunnel."""

    programs = ("sipp", "stunnel4", "kamailio")
    vias = 3
    certificate = None

    def run_call(self, name, outward):
        # Kamailio records one route where one socket of its serves both sides.
        self.records = 4 if outward or self.certificate else 3
        a, b = self.both_ends(name, outward, False)
        phone, server, front = Port(OUTSIDE), Port(INSIDE), Port(INSIDE)
        self.start(front.port, self.stunnel("partner", phone.at, True, OUTSIDE))
        behind = self.kamailio(front, server, f"{EDGE}:{self.running.port('internal', self.protocol)}", self.certificate)
        tunnel = self.stunnel("partner", f"{EDGE}:{self.running.port()}")
        self.between((server, behind), (phone, f"127.0.0.1:{tunnel}"), a, b, outward)


class KamailioContainer(KamailioInside):
    """... over TCP."""


class KamailioSecure(KamailioInside):
    """... over mutual TLS, both ways."""

    protocol, certificate = "TLS", "as1"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pki.leaf("as1", "/C=DE/O=Core/CN=as1.core.example")

    def server(self, container):
        return {**super().server(container), "tls": "edge", "distinguished_name": "CN=as1.core.example,O=Core,C=DE"}


class BackToBack(Calls):
    """Two sipwards, two carriers: each is the other's external domain, and each asserts to its container who the other vouched for."""

    programs = ("sipp",)
    vias, records = 3, 4

    def carrier(self, name, host, container, local, cert, peer):
        folder = self.run_dir / name
        folder.mkdir()
        cfg = self.config([], control_socket=str(folder / "control.sock"), state_dir=str(folder), local_domains=[local], external_domains=[peer])
        for listener in cfg["listeners"]:
            listener.update(host=host, port=free_port())
        cfg["tls"]["edge"].update(certificate=str(self.pki.path(cert + ".pem")), private_key=str(self.pki.path(cert + ".key")))
        cfg["clusters"]["main"]["servers"] = [{"host": container.host, "port": container.port, "protocol": "TCP"}]
        return Edge(folder, cfg)

    def run_call(self, name, outward):
        a, b = self.both_ends(name, outward, inside="ab")
        ours, theirs = Port(INSIDE), Port(OUTSIDE)
        entry = {"protocol": "TLS", "port": 9}
        core = self.carrier("core", EDGE, ours, "core.example", "edge",
                            {**entry, "domain": "partner.example", "distinguished_name": PARTNER_DN, "host": CARRIER})
        partner = self.carrier("partner", CARRIER, theirs, "partner.example", "partner",
                               {**entry, "domain": "core.example", "distinguished_name": "CN=edge.example,O=Core,C=DE", "host": EDGE})
        for edge, other in ((core, partner), (partner, core)):
            edge.config["external_domains"][0]["port"] = other.config["listeners"][0]["port"]
            edge.write(edge.config)
        self.containers, self.running, self.second = [], core, partner
        core.start()
        partner.start()
        way = [f"{edge.config['listeners'][1]['host']}:{edge.config['listeners'][1]['port']}" for edge in (core, partner)]
        self.between((ours, way[0]), (theirs, way[1]), a, b, outward)

    def up(self, edge):
        super().up(edge)
        super().up(self.second)

    def clean(self, edge):
        super().clean(edge)
        super().clean(self.second)

    def tearDown(self):
        self.assertEqual(self.second.stop(), 0)
        super().tearDown()


class SecondEdge(FlowTest):
    """Two edges with one name and the same secrets: what the first has begun the second goes on with."""

    def start(self, **second):
        self.domain = Domain(self.pki)
        secret = self.run_dir / "secret"
        secret.write_bytes(os.urandom(32))
        self.pool = [Container() for _ in range(4)]
        self.edges = []
        for name, changes in (("first", {}), ("second", second)):
            folder = self.run_dir / name
            folder.mkdir()
            cfg = self.config(self.pool, control_socket=str(folder / "control.sock"), state_dir=str(folder), token_secret_files=[str(secret)])
            for listener, shown in zip(cfg["listeners"], ("edge.example:5061", "edge.inside.example:5060")):
                listener["advertise"] = shown
            cfg["external_domains"][0]["port"] = self.domain.port
            cfg.update(changes)
            self.edges.append(Edge(folder, cfg))
            self.edges[-1].start()
        self.running, self.containers = self.edges[1], [*self.pool, self.domain]
        return self.edges

    def outside(self, edge):
        return connect_tls(edge.port(), tls_context(self.pki, "partner"))

    @staticmethod
    def within(edge):
        sock = socket.create_connection((EDGE, edge.port("internal", "TCP")), timeout=5)
        return Link(sock)

    def kill_first(self):
        self.assertEqual(self.edges[0].stop(signal.SIGKILL), -signal.SIGKILL)

    @staticmethod
    def routes(values):
        return "".join(f"Route: {v}\r\n" for v in values)

    def from_outside(self, link, invite, method, cseq, **more):
        """Within the dialog that `invite`, as the domain knows it, has made: `routes` and tags as they lie for its side."""
        link.send(request(method, uri="sip:bob@127.0.0.1:9", from_=ALICE_URI, call_id=invite, branch=f"z9hG4bK{method}{cseq}", cseq=cseq, **more))
        return link.recv(10)

    def from_inside(self, link, call_id, method, cseq, **more):
        link.send(request(method, uri="sip:alice@10.1.2.3:4", from_=BOB_URI, call_id=call_id, branch=f"z9hG4bK{method}{cseq}", cseq=cseq,
                          via_host="127.0.0.1:5070", **more))
        return link.recv(10)

    def holder(self, call_id):
        """The one container that has seen the call."""
        seen = [c for c in self.pool if c.count(call_id)]
        self.assertEqual(len(seen), 1, call_id)
        return seen[0]

    def begun_outside(self, call_id):
        """A call from outside over the first edge: the route sets of both sides."""
        peer = self.outside(self.edges[0])
        peer.send(request("INVITE", call_id=call_id, from_=ALICE_URI))
        answer = peer.recv()
        self.assertEqual(answer.status, 200)
        invite = self.holder(call_id).find(call_id)
        return self.routes(reversed(answer.all("record-route"))), self.routes(invite.all("record-route"))

    def begun_inside(self, call_id):
        c = self.within(self.edges[0])
        c.send(request("INVITE", uri=f"sip:{ALICE}", call_id=call_id, from_=BOB_URI, via_host=f"127.0.0.1:{self.pool[2].port}"))
        answer = c.recv()
        self.assertEqual(answer.status, 200)
        return self.routes(self.domain.find(call_id).all("record-route")), self.routes(reversed(answer.all("record-route")))

    def test_calls_from_outside_go_on(self):
        self.start()
        calls = {f"out{i}": self.begun_outside(f"out{i}") for i in range(8)}
        before = {call: self.holder(call) for call in calls}
        self.assertGreater(len(set(before.values())), 1)
        self.kill_first()
        peer, inside = self.outside(self.edges[1]), self.within(self.edges[1])
        for call, (outer, inner) in calls.items():
            ends = {"to": "<sip:bob@core.example>;tag=container", "extra": outer}
            peer.send(request("ACK", uri="sip:bob@127.0.0.1:9", from_=ALICE_URI, call_id=call, branch="z9hG4bKack" + call, **ends))
            self.assertEqual(self.from_outside(peer, call, "INVITE", 2, **ends).status, 200)
            self.assertEqual(self.from_inside(inside, call, "UPDATE", 7, to=f"<{ALICE_URI}>;tag=t1", from_tag="container", extra=inner).status, 200)
            self.assertEqual(self.domain.find(call, method="UPDATE").all("route"), [])
            self.assertEqual(self.from_outside(peer, call, "BYE", 3, **ends).status, 200)
            bye = before[call].find(call, method="BYE")
            self.assertEqual((bye.all("route"), bye.all("p-preferred-identity")), ([], [f"<{ALICE_URI}>"]))
            self.assertEqual([m.method for m in before[call].messages if m.get("call-id") == call], ["INVITE", "ACK", "INVITE", "BYE"])
            self.assertIs(self.holder(call), before[call])

    def test_calls_from_inside_go_on(self):
        self.start()
        calls = {f"in{i}": self.begun_inside(f"in{i}") for i in range(8)}
        self.kill_first()
        peer, inside = self.outside(self.edges[1]), self.within(self.edges[1])
        for call, (outer, inner) in calls.items():
            self.assertEqual(self.from_inside(inside, call, "INVITE", 2, to=f"<{ALICE_URI}>;tag=container", extra=inner).status, 200)
            answer = self.from_outside(peer, call, "UPDATE", 9, from_tag="container", to=f"<{BOB_URI}>;tag=t1", extra=outer)
            self.assertEqual(answer.status, 200)
            self.assertIs(self.holder(call), self.pool[2])  # its Via said which container calls
            answer = self.from_outside(peer, call, "BYE", 10, from_tag="container", to=f"<{BOB_URI}>;tag=t1", extra=outer)
            self.assertEqual(answer.status, 200)
            self.assertEqual(self.domain.count(call), 2)

    def test_without_the_secret_it_is_a_stranger(self):
        other = self.run_dir / "other"
        other.write_bytes(os.urandom(32))
        self.start(token_secret_files=[str(other)])
        outer, inner = self.begun_outside("lost")
        self.kill_first()
        answer = self.from_outside(self.outside(self.edges[1]), "lost", "BYE", 2, to="<sip:bob@core.example>;tag=container", extra=outer)
        self.assertEqual(answer.status, 403)
        answer = self.from_inside(self.within(self.edges[1]), "lost", "BYE", 7, to=f"<{ALICE_URI}>;tag=t1", from_tag="container", extra=inner)
        self.assertEqual(answer.status, 403)
        self.assertEqual((self.domain.count("lost"), self.holder("lost").count("lost")), (0, 1))


def add_calls():
    """A test for each of CALLS with each kind of peers, begun by either side."""
    for call in CALLS:
        for kind in (Sipp, SippUdp, SippUdpContainer, KamailioDomain, KamailioContainer, KamailioSecure, BackToBack):
            for way in ("inward", "outward"):
                setattr(kind, f"test_{kind.__name__.lower()}_{way}_{call.replace(' ', '_')}",
                        lambda self, call=call, way=way: self.run_call(call, way == "outward"))


add_calls()

if __name__ == "__main__":
    main()
