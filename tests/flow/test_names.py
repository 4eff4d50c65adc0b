#!/usr/bin/env python3
"""Requests to external domains whose hosts are names: resolved off the data path, proved by DN or by the domain's name."""
import os
import signal

from harness import Domain, FlowTest, PARTNER_DN, free_port, main, request, wait_for
from test_resolver import NameServer, a, naptr, srv

FROM_INSIDE = dict(uri="sip:carol@partner.example", from_="sip:bob@core.example", via_host="127.0.0.1:5070")


class Names(FlowTest):
    workers = 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pki.leaf("named", "/CN=something else", san="DNS:partner.example")
        cls.pki.leaf("uri", "/CN=something else", san="URI:sip:partner.example,DNS:other.example")
        cls.pki.leaf("other", "/CN=partner.example", san="DNS:other.example")
        cls.pki.leaf("wild", "/CN=something else", san="DNS:*.example")

    def start(self, cert="partner", **entry):
        self.names = NameServer()
        self.domain = Domain(self.pki, cert)
        one = {"domain": "partner.example", "protocol": "TLS"} | entry
        edge = self.edge(containers=1, external_domains=[one], resolvers=[self.names.address], timeouts={"connect": 2, "handshake": 2})
        self.containers += [self.domain, self.names]
        return edge

    def call(self, call_id):
        c = self.inside()
        c.send(request(call_id=call_id, branch="z9hG4bK" + call_id, **FROM_INSIDE))
        return c.recv(15)

    def test_naptr_srv_and_address(self):
        self.start(distinguished_name=PARTNER_DN)
        self.names.add("partner.example", naptr(10, 10, "s", "SIPS+D2T", "_sips._tcp.partner.example"))
        self.names.add("_sips._tcp.partner.example", srv(1, 1, free_port(), "dead.partner.example"), srv(2, 1, self.domain.port, "sip.partner.example"))
        self.names.add("dead.partner.example", a("127.0.0.1"))
        self.names.add("sip.partner.example", a("127.0.0.1"))
        self.assertEqual(self.call("srv").status, 200)  # the first target refuses, the second is who he should be
        self.assertEqual(self.domain.find("srv").get("call-id"), "srv")

    def test_a_name_with_a_port(self):
        self.start(distinguished_name=PARTNER_DN, host="sip.partner.example", port=5061)
        edge = self.running
        self.names.add("sip.partner.example", a("127.0.0.1"))
        cfg = dict(edge.config)
        cfg["external_domains"] = [dict(cfg["external_domains"][0], port=self.domain.port)]
        edge.reload(cfg)
        self.assertEqual(self.call("port").status, 200)

    def test_no_such_name(self):
        self.start(distinguished_name=PARTNER_DN, host="nowhere.example", port=5061)
        answer = self.call("nowhere")
        self.assertEqual(answer.status, 503)
        self.assertIn("no address", answer.get("warning"))

    def test_a_dead_resolver_does_not_stop_calls(self):
        edge = self.start(distinguished_name=PARTNER_DN)
        self.names.add("_sips._tcp.partner.example", srv(1, 1, self.domain.port, "sip.partner.example"))
        self.names.add("sip.partner.example", a("127.0.0.1"), ttl=1)
        self.assertEqual(self.call("alive").status, 200)
        self.names.silent = True
        for line in os.popen("ps -eo pid,ppid,args").read().splitlines():
            pid, ppid, args = line.split(None, 2)
            if args.startswith("sipward: resolver") and int(ppid) == edge.process.pid:
                os.kill(int(pid), signal.SIGKILL)
        for i in range(3):
            self.assertEqual(self.call(f"dead{i}").status, 200)
        peer = self.peer()  # and the other way knows nothing of it
        peer.send(request(call_id="in"))
        self.assertEqual(peer.recv().status, 200)

    def proved_by_name(self, cert, status, **entry):
        self.start(cert, **entry)
        edge = self.running
        cfg = dict(edge.config)
        cfg["external_domains"] = [dict(cfg["external_domains"][0], host="127.0.0.1", port=self.domain.port)]
        edge.reload(cfg)
        answer = self.call("name")
        self.assertEqual(answer.status, status)
        if status != 200:
            self.assertEqual(self.domain.messages, [])
            edge.logged("event=server_refused.*name_mismatch")
        else:
            self.assertEqual(answer.all("p-preferred-identity"), ["<sip:carol@partner.example>"])

    def test_a_dns_name(self):
        self.proved_by_name("named", 200)

    def test_a_sip_uri_before_dns_names(self):
        self.proved_by_name("uri", 200)

    def test_never_the_common_name(self):
        self.proved_by_name("other", 503)

    def test_no_wildcard(self):
        self.proved_by_name("wild", 503)

    def test_a_wildcard_where_it_is_allowed(self):
        self.proved_by_name("wild", 200, allow_wildcard=True)


if __name__ == "__main__":
    main()
