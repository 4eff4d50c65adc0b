#!/usr/bin/env python3
"""TLS on the inside: the hop that carries the asserted identity, with the container's DN proved both ways."""
import socket
import ssl

from harness import Container, Domain, FlowTest, Link, PARTNER_DN, free_port, main, request, tls_context, wait_for

CONTAINER_DN = "CN=as1.core.example,O=Core,C=DE"


class TlsContainers(FlowTest):
    workers = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pki.leaf("as1", "/C=DE/O=Core/CN=as1.core.example")

    def start(self, cert="as1", **changes):
        self.server = Domain(self.pki, cert)
        self.carrier = Domain(self.pki, "partner")
        base = self.config([])
        base["listeners"].append({"side": "internal", "protocol": "TLS", "host": "127.0.0.1", "port": 0, "tls": "edge"})
        base["clusters"]["main"]["servers"] = [{"host": "127.0.0.1", "port": self.server.port, "protocol": "TLS", "tls": "edge",
                                                "distinguished_name": CONTAINER_DN}]
        base["external_domains"][0]["port"] = self.carrier.port
        base.update(changes)
        edge = self.edge(base, containers=0)
        self.containers += [self.server, self.carrier]
        return edge

    def call(self, call_id, uri="sip:bob@core.example"):
        peer = self.peer()
        peer.send(request("INVITE", call_id=call_id, uri=uri))
        return peer.recv(10)

    def test_the_right_container_gets_the_call(self):
        self.start()
        self.assertEqual(self.call("right").status, 200)
        got = self.server.find("right")
        self.assertEqual(got.all("p-preferred-identity"), ["<sip:alice@partner.example>"])
        self.assertRegex(got.all("via")[0], "^SIP/2.0/TLS ")
        self.assertIn(";transport=tls", got.all("record-route")[0])

    def test_sips_passes_where_both_hops_are_tls(self):
        self.start()
        self.assertEqual(self.call("sips", "sips:bob@core.example").status, 200)

    def test_a_wrong_dn_gets_not_one_byte(self):
        edge = self.start("stranger")
        self.assertEqual(self.call("wrong").status, 503)
        self.assertEqual(self.server.messages, [])
        line = edge.logged("event=server_refused.*")[0]
        self.assertIn("as1.core.example", line)
        self.assertIn("sip.stranger.example", line)

    def inside_tls(self, cert):
        raw = socket.create_connection(("127.0.0.1", self.running.port("internal", "TLS")), timeout=5)
        return Link(tls_context(self.pki, cert).wrap_socket(raw, server_hostname="edge.example"))

    def test_a_container_calls_out_over_tls(self):
        self.start()
        c = self.inside_tls("as1")
        c.send(request("INVITE", uri="sip:x@partner.example", from_="sip:bob@core.example", call_id="out", via_host="127.0.0.1:5072"))
        self.assertEqual(c.recv().status, 200)
        c.send(request("INVITE", uri="sips:x@partner.example", from_="sip:bob@core.example", call_id="outs", branch="z9hG4bKs",
                       via_host="127.0.0.1:5072"))
        self.assertEqual(c.recv().status, 200)
        self.assertRegex(self.carrier.find("outs").all("record-route")[0], "^<sips:")

    def test_another_certificate_does_not_come_in(self):
        self.start()
        for cert in ("partner", "stranger", None):
            try:
                c = self.inside_tls(cert)
                c.send(request(uri="sip:x@partner.example", from_="sip:bob@core.example", call_id="no"))
                self.assertTrue(c.closed(), cert)
            except (ssl.SSLError, ConnectionError):
                pass
        self.assertEqual(self.carrier.messages, [])

    def test_a_reload_takes_a_container_its_name(self):
        edge = self.start()
        c = self.inside_tls("as1")
        self.assertEqual(self.call("before").status, 200)
        cfg = dict(edge.config)
        cfg["clusters"] = {"main": {"servers": [dict(cfg["clusters"]["main"]["servers"][0], distinguished_name="CN=other")]}}
        edge.reload(cfg)
        self.assertTrue(c.closed())
        wait_for("the end of ours", lambda: self.server.links[0].ended)
        self.assertEqual(self.call("after").status, 503)


if __name__ == "__main__":
    main()
