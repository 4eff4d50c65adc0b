#!/usr/bin/env python3
"""Who is let in, and what the containers are told: real handshakes against a real sipward."""
import random
import ssl

from harness import FlowTest, connect_tls, main, request, tls_context, wait_for, PARTNER_DN

IDENTITY = ("p-preferred-identity", "p-asserted-identity", "remote-party-id")


class Trust(FlowTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pki = cls.pki
        pki.ca("ca2", "/C=DE/O=Other/CN=Other CA")
        pki.leaf("expired", "/C=DE/O=Partner GmbH/CN=sip.partner.example", expired=True)
        pki.leaf("twin", "/C=DE/O=Partner GmbH/CN=sip.partner.example", ca="ca2")
        pki.leaf("mail", "/C=DE/O=Partner GmbH/CN=sip.partner.example", eku="emailProtection")
        pki.leaf("almost", "/C=DE/O=Partner GmbH/CN=sip.partner.exampel")
        pki.leaf("revoked", "/C=DE/O=Partner GmbH/CN=sip.partner.example")
        pki.crl("list", revoked=["revoked"])

    def refused(self, name, reason):
        """The handshake ends in an alert: at once (TLS 1.2), or at the first read (TLS 1.3)."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.assertRaises((ssl.SSLError, ConnectionError)) as caught:
                link = self.peer(name, version)
                link.send(request(call_id="refused"))
                link.sock.settimeout(5)
                if not link.sock.recv(1):
                    raise ssl.SSLError("closed")
            self.assertNotIn("timed out", str(caught.exception))
        self.running.logged(f"event=connection_refused .*reason={reason}")
        self.assertEqual(self.container.count("refused"), 0)

    def test_trusted_call_gets_one_identity(self):
        self.edge()
        link = self.peer()
        link.send(request(call_id="good", extra="P-Preferred-Identity: <sip:ceo@core.example>\r\n"
                                                "P-Asserted-Identity: <sip:ceo@core.example>\r\nRemote-Party-ID: <sip:ceo@core.example>\r\n"))
        self.assertEqual(link.recv().status, 200)
        got = self.container.find("good")
        self.assertEqual(got.all("p-preferred-identity"), ["<sip:alice@partner.example>"])
        self.assertEqual(got.all("p-asserted-identity") + got.all("remote-party-id"), [])
        self.running.logged('event=connection_accepted .*trust=trusted .*domain=partner.example')

    def test_both_versions(self):
        self.edge()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            link = self.peer(version=version)
            link.send(request())
            self.assertEqual(link.recv().status, 200)

    def test_old_version_is_refused(self):
        self.edge()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.peer(version=ssl.TLSVersion.TLSv1_1)

    def test_unknown_name_is_refused(self):
        self.edge()
        self.refused("stranger", "dn_unknown")
        self.refused("almost", "dn_unknown")
        self.running.logged('nearest="CN=sip.partner.example,O=partner gmbh,C=de" difference="has CN=sip.partner.exampel')

    def test_expired_is_refused(self):
        self.edge()
        self.refused("expired", "expired")

    def test_wrong_ca_is_refused(self):
        self.edge()
        self.refused("twin", "chain_invalid")

    def test_wrong_usage_is_refused(self):
        self.edge()
        self.refused("mail", "wrong_usage")

    def test_revoked_is_refused(self):
        self.edge()
        cfg = self.running.config
        cfg["tls"]["edge"]["crl"] = [str(self.pki.path("list.crl"))]
        self.running.reload(cfg)
        self.refused("revoked", "revoked")
        link = self.peer()
        link.send(request())
        self.assertEqual(link.recv().status, 200)

    def test_no_certificate_is_refused(self):
        self.edge()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            link = self.peer(None)
            link.send(request())
            if not link.sock.recv(1):
                raise ssl.SSLError("closed")

    def test_name_of_another_ca_is_refused(self):
        """Both CAs are trusted by the listener; the domain is bound to the first."""
        bundle = self.run_dir / "both.pem"
        bundle.write_text(self.pki.path("ca.pem").read_text() + self.pki.path("ca2.pem").read_text())
        self.edge(tls={"edge": {"certificate": str(self.pki.path("edge.pem")), "private_key": str(self.pki.path("edge.key")),
                                "trust": [str(bundle)], "client_certificate": "require"}},
                  external_domains=[{"domain": "partner.example", "distinguished_name": PARTNER_DN, "trust": [str(self.pki.path("ca.pem"))],
                                     "protocol": "TLS", "host": "127.0.0.1", "port": 6061}])
        self.refused("twin", "ca_mismatch")
        link = self.peer()
        link.send(request())
        self.assertEqual(link.recv().status, 200)

    def test_requested_certificate_leaves_untrusted(self):
        self.edge()
        cfg = self.running.config
        cfg["tls"]["edge"]["client_certificate"] = "request"
        self.running.reload(cfg)
        for name in ("stranger", None, "twin", "expired"):
            link = self.peer(name)
            link.send(request(call_id=f"untrusted-{name}", extra="P-Preferred-Identity: <sip:ceo@core.example>\r\nP-Asserted-Identity: <sip:x@y.example>\r\n"))
            self.assertEqual(link.recv().status, 200, name)
            got = self.container.find(f"untrusted-{name}")
            self.assertEqual(got.all("p-preferred-identity") + got.all("p-asserted-identity"), [], name)
        link = self.peer()
        link.send(request(call_id="trusted"))
        link.recv()
        self.assertEqual(len(self.container.find("trusted").all("p-preferred-identity")), 1)

    def test_from_of_another_domain_is_refused(self):
        self.edge()
        link = self.peer()
        for host in ("core.example", "sub.core.example", "CORE.example.", "127.0.0.1"):
            link.send(request(from_=f"sip:ceo@{host}", call_id=f"spoof-{host}"))
            self.assertEqual(link.recv().status, 403, host)
            self.assertEqual(self.container.count(f"spoof-{host}"), 0)

    def test_no_identity_but_ours_whatever_goes_beside_it(self):
        """Trusted and untrusted peers in turn, long messages and short ones, over all workers, while the configuration is reloaded."""
        edge = self.edge(workers=3, containers=2)
        cfg = edge.config
        cfg["tls"]["edge"]["client_certificate"] = "request"
        edge.reload(cfg)
        false = ["P-Preferred-Identity: <sip:spoofed@core.example>", "p-preferred-identity : <sip:spoofed@core.example>",
                 "P-Asserted-Identity: \"X\" <sip:spoofed@core.example>, <tel:+4911>", "P-Preferred-Identity:\r\n <sip:spoofed@core.example>",
                 "Remote-Party-ID: <sip:spoofed@core.example>;party=calling"]
        for c in self.containers:
            c.answer = lambda msg, c=c: c.reply(msg, extra="".join(line + "\r\n" for line in false[2:3] + false[:1]))
        links = {"trusted": [self.peer() for _ in range(6)], "untrusted": [self.peer("stranger") for _ in range(6)]}
        dice, sent = random.Random(5), 0
        for i in range(400):
            kind, method = dice.choice(list(links)), dice.choice(["OPTIONS", "INVITE", "MESSAGE"])
            link, pad = dice.choice(links[kind]), "X-Pad: " + "p" * dice.choice([0, 10, 300, 4000, 20000])
            for m in [method] + ["ACK"] * (method == "INVITE"):
                lines = [pad, *dice.sample(false, dice.randint(0, 3))]
                link.send(request(m, call_id=f"{kind}-{i}", branch=f"z9hG4bK{i}{m}", extra="".join(line + "\r\n" for line in lines)))
                sent += 1
                if m != "ACK":
                    answer = link.recv()
                    self.assertEqual((answer.status, [v for h in IDENTITY for v in answer.all(h)]), (200, []), i)
            if i % 50 == 0:
                edge.reload()
        def arrived():
            got = [m for c in self.containers for m in list(c.messages) if m.get("call-id").partition("-")[0] in links]
            return got if len(got) == sent else None
        got = wait_for("all requests and ACKs", arrived)
        self.assertGreater(sum(m.method == "ACK" for m in got), 50)
        for m in got:
            want = ["<sip:alice@partner.example>"] if m.get("call-id").startswith("trusted") else []
            self.assertEqual([v for h in IDENTITY for v in m.all(h)], want, (m.method, m.get("call-id")))
            self.assertNotIn("spoofed", str(m.head))

    def test_resumption_is_judged_again(self):
        self.edge(workers=1)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            ctx = tls_context(self.pki, "partner", version)
            session, resumed = None, False
            for i in range(3):
                link = connect_tls(self.tls_port, ctx, session)
                link.send(request(call_id=f"res-{version}-{i}"))
                self.assertEqual(link.recv().status, 200)
                resumed = resumed or link.sock.session_reused
                session = link.sock.session
                link.close()
            self.assertTrue(resumed, "no connection was resumed")
            cfg = dict(self.running.config)
            good = cfg["external_domains"]
            cfg["external_domains"] = [dict(good[0], distinguished_name="CN=somebody.else,O=Partner GmbH,C=DE")]
            self.running.reload(cfg)
            for i in range(4):
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    link = connect_tls(self.tls_port, ctx, session)
                    link.send(request(call_id="lost"))
                    link.sock.settimeout(5)
                    if not link.sock.recv(1):
                        raise ssl.SSLError("closed")
            self.assertEqual(self.container.count("lost"), 0)
            cfg["external_domains"] = good
            self.running.reload(cfg)


if __name__ == "__main__":
    main()
