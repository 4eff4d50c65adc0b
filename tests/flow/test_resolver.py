#!/usr/bin/env python3
"""The resolver process and a worker's cache of names against name servers that
answer well, badly, or not at all (RFC 3263, 2782, 2308)."""
import collections
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading

import harness
from harness import BUILD, FlowTest, die_with_parent, wait_for

A, CNAME, SOA, AAAA, SRV, NAPTR = 1, 5, 6, 28, 33, 35
TYPES = {A: "A", AAAA: "AAAA", SRV: "SRV", NAPTR: "NAPTR"}


def name(text):
    labels = text.rstrip(".").split(".") if text.strip(".") else []
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def text(value):
    return bytes([len(value)]) + value.encode()


def a(addr):
    return (A, socket.inet_aton(addr))


def aaaa(addr):
    return (AAAA, socket.inet_pton(socket.AF_INET6, addr))


def cname(target):
    return (CNAME, name(target))


def srv(priority, weight, port, target):
    return (SRV, struct.pack(">HHH", priority, weight, port) + name(target))


def naptr(order, preference, flags, service, replacement, regexp=""):
    return (NAPTR, struct.pack(">HH", order, preference) + text(flags) + text(service) + text(regexp) + name(replacement))


def record(owner, kind, data, ttl):
    return name(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


class NameServer:
    """Answers from `zone`: (owner, type) -> records; UDP and TCP on one loopback port.

    `special`: owner -> function(server, query, qname, qtype, tcp) that returns the answer's bytes, or None for none.
    """

    def __init__(self, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.zone = collections.defaultdict(list)
        self.special = {}
        self.negative_ttl = None
        self.ttl = 300
        self.silent = False
        self.asked = []
        while True:
            self.tcp, self.udp = socket.socket(family), socket.socket(family, socket.SOCK_DGRAM)
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.tcp.bind((host, 0))
            try:
                self.udp.bind(self.tcp.getsockname())
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        self.tcp.listen(16)
        self.port = self.tcp.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if family == socket.AF_INET6 else f"{host}:{self.port}"
        for loop in (self._udp_loop, self._tcp_loop):
            threading.Thread(target=loop, daemon=True).start()

    def add(self, owner, *records, ttl=None):
        for kind, data in records:
            self.zone[owner, kind].append((data, self.ttl if ttl is None else ttl))

    def _find(self, owner, kind):
        """Records and CNAMEs on the way, as (owner, type, data, ttl)."""
        got, seen = [], set()
        while owner not in seen:
            seen.add(owner)
            got += [(owner, kind, data, ttl) for data, ttl in self.zone.get((owner, kind), ())]
            alias = self.zone.get((owner, CNAME))
            if not alias or (owner, kind) in self.zone:
                break
            data, ttl = alias[0]
            got.append((owner, CNAME, data, ttl))
            labels, at = [], 0
            while data[at]:
                labels.append(data[at + 1:at + 1 + data[at]].decode())
                at += 1 + data[at]
            owner = ".".join(labels)
        return got

    def answer(self, query, qname, qtype, tcp=True, flags=0):
        found = self._find(qname, qtype)
        known = any(owner == qname for owner, _ in self.zone)
        rcode = 0 if found or known else 3
        body = query[12:]
        records = b"".join(record(*r[:3], r[3]) for r in found)
        authority = b""
        if not found and self.negative_ttl is not None:
            soa = name("ns.example") + name("root.example") + struct.pack(">IIIII", 1, 2, 3, 4, self.negative_ttl)
            authority = record("example", SOA, soa, 3600)
        if not tcp and len(records) > 480:
            records, found, flags = b"", [], flags | 0x0200
        return query[:2] + struct.pack(">HHHHH", 0x8180 | flags | rcode, 1, len(found), bool(authority), 0) + body + records + authority

    def _handle(self, query, tcp):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        qname, qtype = ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0]
        self.asked.append((qname, TYPES.get(qtype, str(qtype)), "tcp" if tcp else "udp"))
        if self.silent:
            return None
        if qname in self.special:
            return self.special[qname](self, query, qname, qtype, tcp)
        return self.answer(query, qname, qtype, tcp)

    def _udp_loop(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(65536)
                reply = self._handle(query, False)
                if reply is not None:
                    self.udp.sendto(reply, peer)
            except OSError:
                return

    def _tcp_loop(self):
        while True:
            try:
                conn, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._tcp_serve, args=(conn,), daemon=True).start()

    def _tcp_serve(self, conn):
        with conn:
            stream = conn.makefile("rb")
            try:
                while len(head := stream.read(2)) == 2:
                    reply = self._handle(stream.read(struct.unpack(">H", head)[0]), True)
                    if reply is not None:
                        conn.sendall(struct.pack(">H", len(reply)) + reply)
            except OSError:
                return

    def close(self):
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        self.udp.close()

    def count(self, owner, kind):
        return sum(q[:2] == (owner, kind) for q in self.asked)


class Client:
    """sipward-resolve: a worker's cache and the resolver behind it."""

    def __init__(self, config):
        self.process = subprocess.Popen([str(BUILD / "tests" / "sipward-resolve"), str(config)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        assert self.process.stdout.readline() == "running\n"

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def ask(self, host, port=0, protocol="TLS", verb="ask"):
        """[(address, port), ...], or the status when it is not READY."""
        words = self.say(f"{verb} {host} {port} {protocol}").split()
        if words[0] != "READY":
            return words[0]
        return [(words[i], int(words[i + 1])) for i in range(1, len(words), 2)]

    def look(self, *args):
        return self.ask(*args, verb="look")

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code


class Resolver(FlowTest):
    def setUp(self):
        super().setUp()
        self.dns = NameServer()
        self.addCleanup(self.dns.close)
        self.other = NameServer()
        self.addCleanup(self.other.close)

    def config(self, containers, **changes):
        """Without containers: one that nobody will ask for."""
        servers = [{"host": "127.0.0.1", "port": c.port, "protocol": "TCP"} for c in containers] or \
            [{"host": "127.0.0.1", "port": 9, "protocol": "TCP"}]
        return super().config(containers, **({"clusters": {"main": {"servers": servers}}} | changes))

    def write(self, *servers, file="resolve.json"):
        path = self.run_dir / file
        path.write_text(json.dumps(self.config([], resolvers=list(servers) or self.dns.address)))
        return path

    def client(self, *servers):
        c = Client(self.write(*servers))
        self.addCleanup(lambda: self.assertEqual(c.close(), 0, "the resolver ended well"))
        return c

    # ---- what is asked, and what comes of it ----

    def test_a_port_means_addresses_alone(self):
        self.dns.add("gw.partner.example", a("192.0.2.7"), aaaa("2001:db8::7"))
        self.dns.add("_sips._tcp.gw.partner.example", srv(1, 1, 7777, "elsewhere.example"))
        self.assertEqual(self.client().ask("gw.partner.example", 5071), [("2001:db8::7", 5071), ("192.0.2.7", 5071)])
        self.assertEqual({q[1] for q in self.dns.asked}, {"A", "AAAA"})

    def test_one_family_is_enough(self):
        self.dns.add("four.example", a("192.0.2.4"), a("192.0.2.5"))
        self.dns.add("six.example", aaaa("2001:db8::6"))
        c = self.client()
        self.assertEqual(c.ask("four.example", 5071), [("192.0.2.4", 5071), ("192.0.2.5", 5071)])
        self.assertEqual(c.ask("six.example", 5071), [("2001:db8::6", 5071)])

    def test_without_naptr_and_srv_the_default_port(self):
        self.dns.add("plain.example", a("192.0.2.1"))
        c = self.client()
        self.assertEqual(c.ask("plain.example"), [("192.0.2.1", 5061)])
        self.assertEqual([q[:2] for q in self.dns.asked[:2]],
                         [("plain.example", "NAPTR"), ("_sips._tcp.plain.example", "SRV")])
        for protocol, prefix in (("TCP", "_sip._tcp."), ("UDP", "_sip._udp.")):
            self.assertEqual(c.ask("plain.example", 0, protocol), [("192.0.2.1", 5060)])
            self.assertEqual(self.dns.count(prefix + "plain.example", "SRV"), 1)

    def test_srv_by_priority(self):
        self.dns.add("_sips._tcp.p.example", srv(20, 0, 5063, "c.p.example"), srv(5, 1, 5061, "a.p.example"),
                     srv(10, 9, 5062, "B.P.example."))
        for host, addr in (("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "192.0.2.3")):
            self.dns.add(f"{host}.p.example", a(addr))
        self.assertEqual(self.client().ask("p.example"), [("192.0.2.1", 5061), ("192.0.2.2", 5062), ("192.0.2.3", 5063)])

    def test_srv_by_weight(self):
        self.dns.add("_sips._tcp.even.example", srv(1, 10, 1, "a.example"), srv(1, 10, 2, "a.example"), ttl=1)
        self.dns.add("_sips._tcp.odd.example", srv(1, 0, 1, "a.example"), srv(1, 65535, 2, "a.example"), ttl=1)
        self.dns.add("a.example", a("192.0.2.1"), ttl=1)
        c = self.client()
        first = collections.Counter()
        for i in range(40):
            for host in ("even.example", "odd.example"):
                before = self.dns.count("_sips._tcp." + host, "SRV")
                c.look(host)
                wait_for("a new question", lambda: self.dns.count("_sips._tcp." + host, "SRV") > before or i == 0)
                c.say("pid")
                first[host, c.ask(host)[0][1]] += 1
            c.say("later 2")
        self.assertTrue(first["even.example", 1] and first["even.example", 2], first)
        self.assertEqual(first["odd.example", 1], 0, first)

    def test_naptr_leads_to_its_srv(self):
        self.dns.add("n.example",
                     naptr(10, 10, "s", "SIPS+D2T", "second.n.example"), naptr(5, 50, "S", "sips+d2t", "first.n.example"),
                     naptr(1, 1, "s", "SIP+D2T", "tcp.n.example"), naptr(1, 1, "u", "SIPS+D2T", "", "!^.*$!sip:x@y!"),
                     naptr(2, 1, "a", "SIPS+D2T", "address.n.example"), naptr(2, 1, "", "SIPS+D2T", "more.n.example"),
                     naptr(2, 1, "s", "SIPS+D2T", "expr.n.example", "!a!b!"), naptr(2, 1, "s", "", "none.n.example"))
        self.dns.add("second.n.example", srv(1, 1, 7001, "a.n.example"))
        self.dns.add("first.n.example", srv(1, 1, 7002, "a.n.example"))
        self.dns.add("tcp.n.example", srv(1, 1, 7003, "a.n.example"))
        self.dns.add("a.n.example", a("192.0.2.1"))
        c = self.client()
        self.assertEqual(c.ask("n.example"), [("192.0.2.1", 7002)])
        self.assertEqual(c.ask("n.example", 0, "TCP"), [("192.0.2.1", 7003)])
        for owner in ("address", "more", "expr", "none"):
            self.assertEqual([q for q in self.dns.asked if q[0] == owner + ".n.example"], [])

    def test_a_pointer_to_nothing_gives_way_to_the_next(self):
        self.dns.add("n.example", naptr(1, 1, "s", "SIPS+D2T", "gone.n.example"), naptr(2, 1, "s", "SIPS+D2T", "there.n.example"))
        self.dns.add("there.n.example", srv(1, 1, 7001, "a.n.example"))
        self.dns.add("a.n.example", a("192.0.2.1"))
        self.assertEqual(self.client().ask("n.example"), [("192.0.2.1", 7001)])

    def test_a_server_that_does_not_know_naptr(self):
        def refuse(server, query, qname, qtype, tcp):
            reply = server.answer(query, qname, qtype, tcp)
            return reply if qtype != NAPTR else reply[:3] + bytes([reply[3] & 0xf0 | 4]) + reply[4:]

        self.dns.add("old.example", a("192.0.2.1"))
        self.dns.special["old.example"] = refuse
        self.assertEqual(self.client().ask("old.example"), [("192.0.2.1", 5061)])

    def test_the_service_is_not_there(self):
        self.dns.add("_sips._tcp.no.example", srv(0, 0, 0, "."))
        self.dns.add("no.example", a("192.0.2.1"))
        self.assertEqual(self.client().ask("no.example"), "FAILED")
        self.assertEqual(self.dns.count("no.example", "A"), 0)

    def test_srv_records_that_nobody_gives_are_not_left_out(self):
        self.dns.add("half.example", a("192.0.2.1"))
        self.dns.special["_sips._tcp.half.example"] = lambda server, query, *rest: \
            query[:2] + struct.pack(">HHHHH", 0x8182, 1, 0, 0, 0) + query[12:]
        self.assertEqual(self.client().ask("half.example"), "FAILED")

    def test_aliases(self):
        self.dns.add("alias.example", cname("alias2.example"))
        self.dns.add("alias2.example", cname("real.example"))
        self.dns.add("real.example", a("192.0.2.9"))
        self.dns.add("_sips._tcp.dom.example", cname("_sips._tcp.hosted.example"))
        self.dns.add("_sips._tcp.hosted.example", srv(1, 1, 5061, "alias.example"))
        self.dns.add("loop.example", cname("loop2.example"))
        self.dns.add("loop2.example", cname("loop.example"))
        c = self.client()
        self.assertEqual(c.ask("alias.example", 5061), [("192.0.2.9", 5061)])
        self.assertEqual(c.ask("dom.example"), [("192.0.2.9", 5061)])
        self.assertEqual(c.ask("loop.example", 5061), "FAILED")

    def test_more_than_anybody_needs(self):
        self.dns.add("_sips._tcp.big.example", *(srv(i, 1, 6000 + i, f"h{i}.example") for i in range(40)))
        for i in range(40):
            self.dns.add(f"h{i}.example", *(a(f"192.0.{i}.{k}") for k in range(1, 30)))
        got = self.client().ask("big.example")
        self.assertEqual(len(got), 16)
        self.assertEqual(got[0][1], 6000)
        self.assertLessEqual(len([q for q in self.dns.asked if q[2] == "udp"]), 64)

    def test_names_of_the_hosts_file_need_no_server(self):
        if "localhost" not in pathlib.Path("/etc/hosts").read_text():
            self.skipTest("no localhost in /etc/hosts")
        self.assertIn(("127.0.0.1", 5061), self.client().ask("localhost"))
        self.assertEqual(self.dns.asked, [])

    # ---- no, not yet, and not at all ----

    def test_no_such_name(self):
        self.dns.negative_ttl = 30
        c = self.client()
        self.assertEqual(c.ask("gone.example", 5061), "FAILED")
        asked = len(self.dns.asked)
        c.say("later 20")
        self.assertEqual(c.ask("gone.example", 5061), "FAILED")
        self.assertEqual(len(self.dns.asked), asked, "remembered as long as the SOA record says")
        c.say("later 11")
        self.dns.add("gone.example", a("192.0.2.1"))
        self.assertEqual(c.ask("gone.example", 5061), [("192.0.2.1", 5061)])

    def test_a_long_no_is_cut(self):
        self.dns.negative_ttl = 86400
        c = self.client()
        self.assertEqual(c.ask("gone.example", 5061), "FAILED")
        self.dns.add("gone.example", a("192.0.2.1"))
        c.say("later 61")
        self.assertEqual(c.ask("gone.example", 5061), [("192.0.2.1", 5061)])

    def test_a_dead_server_and_a_living_one(self):
        self.other.silent = True
        self.dns.add("x.example", a("192.0.2.1"))
        self.assertEqual(self.client(self.other.address, self.dns.address).ask("x.example", 5061), [("192.0.2.1", 5061)])

    def test_a_server_with_an_ipv6_address(self):
        server = NameServer("::1")
        self.addCleanup(server.close)
        server.add("x.example", a("192.0.2.1"))
        self.assertEqual(self.client(server.address).ask("x.example", 5061), [("192.0.2.1", 5061)])

    def test_a_thousand_names_at_once(self):
        names = [f"h{i}.example" for i in range(1000)]
        for i, host in enumerate(names):
            self.dns.add(host, a(f"192.0.{i // 250}.{i % 250 + 1}"))
        c = self.client()
        for host in names:
            self.assertIn(c.look(host, 5061), ("PENDING", [(socket.inet_ntoa(self.dns.zone[host, A][0][0]), 5061)]))
        for host in names:
            for _ in range(10):  # a machine that is busy may lose some
                got = c.ask(host, 5061)
                if got != "FAILED":
                    break
                c.say("later 6")
            self.assertEqual(got, [(socket.inet_ntoa(self.dns.zone[host, A][0][0]), 5061)])

    def test_nobody_answers(self):
        self.dns.silent = True
        c = self.client()
        self.assertEqual(c.ask("x.example", 5061), "FAILED")
        self.dns.silent = False
        self.dns.add("x.example", a("192.0.2.1"))
        c.say("later 6")
        self.assertEqual(c.ask("x.example", 5061), [("192.0.2.1", 5061)])

    def test_the_time_to_live_and_what_comes_after_it(self):
        self.dns.add("t.example", a("192.0.2.1"), ttl=60)
        c = self.client()
        self.assertEqual(c.ask("t.example", 5061), [("192.0.2.1", 5061)])
        c.say("later 50")
        self.assertEqual(c.ask("t.example", 5061), [("192.0.2.1", 5061)])
        self.assertEqual(self.dns.count("t.example", "A"), 1)
        self.dns.silent = True
        c.say("later 3000")
        for _ in range(3):
            self.assertEqual(c.ask("t.example", 5061), [("192.0.2.1", 5061)], "the last good one while nobody answers")
            c.say("later 30")
        self.dns.silent = False
        self.dns.zone.clear()
        self.dns.add("t.example", a("192.0.2.2"), ttl=60)
        c.say("later 30")
        wait_for("the new answer", lambda: c.ask("t.example", 5061) == [("192.0.2.2", 5061)])

    def test_the_smallest_time_to_live_counts(self):
        self.dns.add("_sips._tcp.s.example", srv(1, 1, 5061, "alias.example"), ttl=1000)
        self.dns.add("alias.example", cname("h.example"), ttl=40)
        self.dns.add("h.example", a("192.0.2.1"), ttl=1000)
        c = self.client()
        c.ask("s.example")
        c.say("later 39")
        c.ask("s.example")
        self.assertEqual(self.dns.count("_sips._tcp.s.example", "SRV"), 1)
        c.say("later 2")
        c.ask("s.example")
        wait_for("asked again", lambda: self.dns.count("_sips._tcp.s.example", "SRV") == 2)

    # ---- answers that are lies ----

    def test_a_truncated_answer_is_asked_for_by_tcp(self):
        self.dns.add("_sips._tcp.wide.example", *(srv(i, 1, 5061, f"some-host-with-a-long-name-{i}.example") for i in range(14)))
        for i in range(14):
            self.dns.add(f"some-host-with-a-long-name-{i}.example", a(f"192.0.2.{i + 1}"))
        got = self.client().ask("wide.example")
        self.assertEqual(got, [(f"192.0.2.{i + 1}", 5061) for i in range(14)])
        self.assertIn(("_sips._tcp.wide.example", "SRV", "tcp"), self.dns.asked)

    def lies(self):
        """Answers to an address query, none of which holds an address of the name."""
        def head(query, answers, flags=0x8180):
            return query[:2] + struct.pack(">HHHHH", flags, 1, answers, 0, 0) + query[12:]

        def rr(data, owner=b"\xc0\x0c", kind=A, length=None, cls=1):
            return owner + struct.pack(">HHIH", kind, cls, 300, len(data) if length is None else length) + data

        ip = socket.inet_aton("192.0.2.66")
        return {
            "nothing behind the head": lambda q: head(q, 1),
            "half a record": lambda q: head(q, 1) + rr(ip)[:-2],
            "an address of three bytes": lambda q: head(q, 1) + rr(ip[:3]),
            "an address of five bytes": lambda q: head(q, 1) + rr(ip + b"\1"),
            "a length past the end": lambda q: head(q, 1) + rr(ip, length=65535),
            "a name that points to itself": lambda q: head(q, 1) + rr(ip, owner=struct.pack(">H", 0xc000 | len(head(q, 1)))),
            "a name that points past the end": lambda q: head(q, 1) + rr(ip, owner=b"\xff\xff"),
            "somebody else's address": lambda q: head(q, 1) + rr(ip, owner=name("other.example")),
            "another class": lambda q: head(q, 1) + rr(ip, cls=3),
            "65535 records that are not there": lambda q: head(q, 65535) + rr(ip, kind=99),
            "an alias without end": lambda q: head(q, 1) + rr(b"\xc0\x0c", kind=CNAME),
            "an alias of one byte": lambda q: head(q, 1) + rr(b"\xc0", kind=CNAME),
            "noise": lambda q: head(q, 3) + bytes(range(256)) * 2,
        }

    def test_lies_are_no_answer(self):
        c = self.client()
        pid = c.say("pid")
        for number, (why, lie) in enumerate(self.lies().items()):
            host = f"lie{number}.example"
            self.dns.special[host] = lambda server, query, qname, qtype, tcp, lie=lie: lie(query)
            self.assertEqual(c.ask(host, 5061), "FAILED", why)
        self.dns.add("honest.example", a("192.0.2.1"))
        self.assertEqual(c.ask("honest.example", 5061), [("192.0.2.1", 5061)])
        self.assertEqual(c.say("pid"), pid)

    def test_answers_to_other_questions_are_waited_out(self):
        def wrong_first(server, query, qname, qtype, tcp):
            good = server.answer(query, qname, qtype, tcp)
            for bad in (b"", b"\0", bytes([query[0] ^ 1]) + good[1:], good[:2] + b"\0\0" + good[4:], good[:12] + name("x.example") + good[13 + len(qname):]):
                server.udp.sendto(bad, server.peer)
            return good

        udp = self.dns.udp

        class Remember:
            def __getattr__(self, what):
                return getattr(udp, what)

            def recvfrom(self, n):
                data, self.owner.peer = udp.recvfrom(n)
                return data, self.owner.peer

        self.dns.udp = Remember()
        self.dns.udp.owner = self.dns
        self.dns.add("warm.example", a("192.0.2.2"))
        self.dns.add("x1.example", a("192.0.2.1"))
        self.dns.special["x1.example"] = wrong_first
        c = self.client()
        c.ask("warm.example", 5061)  # the thread is past the call that it began with
        self.assertEqual(c.ask("x1.example", 5061), [("192.0.2.1", 5061)])

    def test_addresses_that_nobody_has(self):
        self.dns.add("void.example", *map(a, ("0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255")),
                     *map(aaaa, ("::", "ff02::1", "::ffff:192.0.2.1")))
        self.dns.add("mixed.example", a("0.0.0.0"), a("192.0.2.1"), aaaa("::"), aaaa("2001:db8::1"))
        c = self.client()
        self.assertEqual(c.ask("void.example", 5061), "FAILED")
        self.assertEqual(c.ask("mixed.example", 5061), [("2001:db8::1", 5061), ("192.0.2.1", 5061)])

    def test_targets_that_are_no_hosts(self):
        odd = [srv(1, 1, 5061, "192.0.2.1"), srv(1, 1, 0, "a.example"), srv(1, 1, 5061, "a b.example"), srv(1, 1, 5061, "-.example"),
               (SRV, struct.pack(">HHH", 1, 1, 5061) + b"\x05a\0b.c\x07example\0"), srv(1, 1, 5061, "x" * 63 + "." + "y" * 63)]
        self.dns.add("_sips._tcp.odd.example", *odd, srv(9, 1, 5069, "a.example"))
        self.dns.add("a.example", a("192.0.2.5"))
        self.assertEqual(self.client().ask("odd.example"), [("192.0.2.5", 5069)])

    # ---- the process ----

    def test_a_resolver_that_dies_with_the_question(self):
        self.dns.silent = True
        self.dns.add("x.example", a("192.0.2.1"))
        c = self.client()
        self.assertEqual(c.look("x.example", 5061), "PENDING")
        wait_for("the question", lambda: self.dns.asked)
        self.assertEqual(c.say("kill"), "started")
        self.dns.silent = False
        self.assertEqual(c.ask("x.example", 5061), [("192.0.2.1", 5061)])

    def test_questions_that_are_none(self):
        self.dns.add("x.example", a("192.0.2.1"))
        c = self.client()
        pid = c.say("pid")
        self.assertEqual(c.say("garbage"), "sent")
        self.assertEqual(c.ask("x.example", 5061), [("192.0.2.1", 5061)])
        self.assertEqual(c.say("pid"), pid)

    def test_a_reload_brings_other_servers_also_for_what_is_asked_already(self):
        self.dns.silent = True
        self.other.add("x.example", a("192.0.2.2"))
        c = self.client()
        self.assertEqual(c.look("x.example", 5061), "PENDING")
        wait_for("the question", lambda: self.dns.asked)
        self.assertEqual(c.say(f"reload {self.write(self.other.address, file='next.json')}"), "reloaded")
        self.assertEqual(c.ask("x.example", 5061), [("192.0.2.2", 5061)])
        self.assertEqual(c.say(f"reload {self.run_dir / 'next.json'}"), "reloaded")
        self.assertEqual(c.ask("x.example", 5061), [("192.0.2.2", 5061)])

    def test_a_resolver_that_dies_is_replaced_and_calls_go_on(self):
        def resolver():
            for entry in os.listdir("/proc"):
                try:
                    title = pathlib.Path(f"/proc/{entry}/cmdline").read_text()
                    status = pathlib.Path(f"/proc/{entry}/status").read_text()
                except (OSError, UnicodeDecodeError):
                    continue
                if title.startswith("sipward: resolver") and f"PPid:\t{edge.process.pid}\n" in status:
                    return int(entry)
            return None

        edge = self.edge()
        workers = [w["pid"] for w in edge.status()["workers"]]
        pid = wait_for("resolver", resolver)
        self.assertTrue(edge.reload()["ok"])
        os.kill(pid, signal.SIGKILL)
        wait_for("its replacement", lambda: resolver() not in (None, pid))
        link = harness.connect_tls(self.tls_port, harness.tls_context(self.pki, "partner"))
        link.send(harness.request("INVITE", call_id="after"))
        self.assertEqual(link.recv().status, 200)
        link.close()
        self.assertTrue(edge.reload()["ok"])
        self.assertEqual([w["pid"] for w in edge.status()["workers"]], workers)

    def test_mistakes_in_the_list(self):
        for servers, what in ((["192.0.2.1", "ns.example"], "/resolvers/1"), ([], "expected 1 to 8"), (["192.0.2.1:0"], "/resolvers/0"),
                              (["192.0.2.1:99999"], "/resolvers/0"), ([""], "/resolvers/0"), (["127.0.0.1"] * 9, "expected 1 to 8")):
            path = self.run_dir / "bad.json"
            path.write_text(json.dumps(self.config([], resolvers=servers)))
            p = subprocess.run([str(BUILD / "sipward"), "--check", "-c", str(path)], capture_output=True, text=True)
            self.assertEqual(p.returncode, 78, servers)
            self.assertIn(what, p.stderr)


if __name__ == "__main__":
    harness.main()
