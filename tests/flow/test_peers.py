#!/usr/bin/env python3
"""Whole calls, begun and ended by either side, with real peers: SIPp, Kamailio, and another sipward."""
import os

from harness import PARTNER_DN, Edge, main
from peers import PeerTest, Port
from talk import CALLS, Talk

COUNT = int(os.environ.get("SIPWARD_PEER_CALLS", "20"))
EDGE = "127.0.0.1"
OUTSIDE = "127.0.0.2"
INSIDE = "127.0.0.3"
ALICE = "alice@partner.example"
BOB = "bob@core.example"


class Calls(PeerTest):
    """An edge with one container and one domain, whoever they are."""

    vias = records = 2

    def start(self, container, domain_port, host=OUTSIDE, **entry):
        one = {"domain": "partner.example", "distinguished_name": PARTNER_DN, "protocol": "TLS", "host": host, "port": domain_port, **entry}
        cfg = self.config([])
        cfg["clusters"]["main"]["servers"] = [{"host": INSIDE, "port": container, "protocol": "TCP"}]
        cfg["external_domains"] = [one]
        self.containers = []
        self.running = Edge(self.run_dir, cfg)
        self.running.start()

    def between(self, inside, outside, a, b, outward):
        """Calls between (own place, whom it calls) of either side; both ends must like them all, and so must the edge."""
        (from_, via), (to, _) = (inside, outside) if outward else (outside, inside)
        called = self.sipp(b, to, count=COUNT)
        caller = self.sipp(a, from_, via, COUNT)
        self.running.logged("event=container_up", 20)
        caller.begin()
        want = (0, COUNT, 0)
        for name, end in (("caller", caller), ("callee", called)):
            got, errors = end.result()
            self.assertEqual(got, want, f"{name}: {errors}\n{self.running.log.read_text(errors='replace')[-3000:]}")
        self.clean(self.running)

    def clean(self, edge):
        counters = edge.status()["counters"]
        self.assertEqual({n: counters[n] for n in ("refused", "dropped", "faults", "identity_violations")},
                         {"refused": 0, "dropped": 0, "faults": 0, "identity_violations": 0}, edge.log.read_text(errors="replace")[-3000:])

    def both_ends(self, name, outward, direct=True):
        a, b, inside = (BOB, ALICE, "a") if outward else (ALICE, BOB, "b")
        talk = Talk(CALLS[name], a, b, inside, direct, self.vias, self.records)
        return talk.scenario("a"), talk.scenario("b")


class Sipp(Calls):
    """SIPp as container and, behind stunnel, as external domain."""

    programs = ("sipp", "stunnel4")

    def run_call(self, name, outward):
        a, b = self.both_ends(name, outward)
        phone, container = Port(OUTSIDE), Port(INSIDE)
        self.start(container.port, self.stunnel("partner", phone.at, True, OUTSIDE))
        tunnel = self.stunnel("partner", f"{EDGE}:{self.running.port()}")
        inside = f"{EDGE}:{self.running.port('internal', 'TCP')}"
        self.between((container, inside), (phone, f"127.0.0.1:{tunnel}"), a, b, outward)


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


class KamailioContainer(Calls):
    """Kamailio, with application servers behind it, is the container; the domain is SIPp behind stunnel."""

    programs = ("sipp", "stunnel4", "kamailio")
    vias, records = 3, 3

    def run_call(self, name, outward):
        a, b = self.both_ends(name, outward, False)
        phone, server, front = Port(OUTSIDE), Port(INSIDE), Port(INSIDE)
        self.start(front.port, self.stunnel("partner", phone.at, True, OUTSIDE))
        behind = self.kamailio(front, server, f"{EDGE}:{self.running.port('internal', 'TCP')}")
        tunnel = self.stunnel("partner", f"{EDGE}:{self.running.port()}")
        self.between((server, behind), (phone, f"127.0.0.1:{tunnel}"), a, b, outward)


for call in CALLS:
    for kind in (Sipp, KamailioDomain, KamailioContainer):
        for way in ("inward", "outward"):
            setattr(kind, f"test_{kind.__name__.lower()}_{way}_{call.replace(' ', '_')}",
                    lambda self, call=call, way=way: self.run_call(call, way == "outward"))

if __name__ == "__main__":
    main()
