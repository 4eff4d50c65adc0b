#!/usr/bin/env python3
"""What a certificate must show beside a DN: alternative names, both, pinned keys; and `enforce: false`, which only watches."""
import base64
import hashlib
import ssl

from harness import FlowTest, main, request, run, wait_for, PARTNER_DN

IDENTITY = "p-preferred-identity"


class Proof(FlowTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pki = cls.pki
        pki.ca("ca2", "/C=DE/O=Other/CN=Other CA")
        pki.leaf("by-uri", "/CN=nobody", san="URI:sip:partner.example")
        pki.leaf("by-dns", "/CN=nobody", san="DNS:partner.example")
        pki.leaf("uri-and-dns", "/CN=nobody", san="URI:sip:else.example,DNS:partner.example")
        pki.leaf("wildcard", "/CN=nobody", san="DNS:*.example")
        pki.leaf("both", "/C=DE/O=Partner GmbH/CN=sip.partner.example", san="DNS:partner.example")
        pki.leaf("twin", "/C=DE/O=Partner GmbH/CN=sip.partner.example", ca="ca2")
        pki.leaf("old", "/C=DE/O=Partner GmbH/CN=sip.partner.example", expired=True)
        pki.leaf("nameless", "/", san="URI:sip:partner.example")

    def entry(self, **keys):
        entry = {"domain": "partner.example", "protocol": "TLS", "host": "127.0.0.1", "port": 6061}
        entry.update(keys)
        return [entry]

    def trusted(self, name, call_id="trusted"):
        link = self.peer(name)
        link.send(request(call_id=f"{call_id}-{name}"))
        self.assertEqual(link.recv().status, 200, name)
        self.assertEqual(self.container.find(f"{call_id}-{name}").all(IDENTITY), ["<sip:alice@partner.example>"], name)
        return link

    def untrusted(self, name, call_id="untrusted"):
        link = self.peer(name)
        link.send(request(call_id=f"{call_id}-{name}", extra="P-Preferred-Identity: <sip:ceo@core.example>\r\n"))
        self.assertEqual(link.recv().status, 200, name)
        self.assertEqual(self.container.find(f"{call_id}-{name}").all(IDENTITY), [], name)
        return link

    def refused(self, name, reason):
        with self.assertRaises((ssl.SSLError, ConnectionError)) as caught:
            link = self.peer(name)
            link.send(request(call_id="refused"))
            link.sock.settimeout(5)
            if not link.sock.recv(1):
                raise ssl.SSLError("closed")
        self.assertNotIn("timed out", str(caught.exception))
        self.running.logged(f"event=connection_refused .*reason={reason}")
        self.assertEqual(self.container.count("refused"), 0)

    def pin(self, name):
        der = run("openssl", "x509", "-in", self.pki.path(name + ".pem"), "-pubkey", "-noout")
        return hashlib.sha256(run("openssl", "pkey", "-pubin", "-outform", "DER", input=der)).digest()

    def test_alternative_names_instead_of_a_dn(self):
        self.edge(external_domains=self.entry(subject_alt_names=["Partner.Example"]))
        for name in ("by-uri", "by-dns", "both", "nameless"):
            self.trusted(name)
        for name in ("uri-and-dns", "wildcard", "partner", "stranger"):
            self.refused(name, "dn_unknown")

    def test_any_of_both_and_all(self):
        self.edge(external_domains=self.entry(subject_alt_names="sip:partner.example", distinguished_name=PARTNER_DN))
        for name in ("by-uri", "by-dns", "both", "partner"):
            self.trusted(name)
        links = [self.trusted(name, "kept") for name in ("by-dns", "both", "partner")]
        self.running.reload(self.config(self.containers, external_domains=self.entry(
            subject_alt_names="sip:partner.example", distinguished_name=PARTNER_DN, match="all")))
        self.assertEqual(links[0].sock.recv(1), b"", "an open connection loses what only half of the names gave it")
        self.assertEqual(links[2].sock.recv(1), b"")
        links[1].send(request(call_id="still"))
        self.assertEqual(links[1].recv().status, 200)
        self.trusted("both", "all")
        for name in ("by-uri", "by-dns", "partner"):
            self.refused(name, "match_incomplete")

    def test_pins_now_and_next(self):
        """First another key is pinned, then this one beside it, then it alone: as hex, with colons, as base64."""
        wrong, right = self.pin("both"), self.pin("partner")
        self.edge(external_domains=self.entry(distinguished_name=PARTNER_DN, spki_sha256=wrong.hex()))
        self.refused("partner", "pin_mismatch")
        link = self.trusted("both")
        colons = ":".join(f"{b:02X}" for b in right)
        self.running.reload(self.config(self.containers, external_domains=self.entry(distinguished_name=PARTNER_DN, spki_sha256=[wrong.hex(), colons])))
        self.trusted("partner", "next")
        self.trusted("both", "next")
        self.running.reload(self.config(self.containers, external_domains=self.entry(distinguished_name=PARTNER_DN,
                                                                                     spki_sha256=base64.b64encode(right).decode())))
        self.assertEqual(link.sock.recv(1), b"")
        self.trusted("partner", "alone")
        self.refused("both", "pin_mismatch")

    def test_one_dn_many_domains(self):
        """All domains of a DN count, however many: each message is that of the one which its From names."""
        entries = [dict(self.entry(distinguished_name=PARTNER_DN)[0], domain=f"d{i}.example") for i in range(100)]
        self.edge(external_domains=entries)
        link = self.peer()
        for i in (0, 15, 16, 99):
            link.send(request(call_id=f"many-{i}", from_=f"sip:alice@d{i}.example"))
            self.assertEqual(link.recv().status, 200, i)
            self.assertEqual(self.container.find(f"many-{i}").all(IDENTITY), [f"<sip:alice@d{i}.example>"])
        entries[99]["enabled"] = False
        self.running.reload(self.config(self.containers, external_domains=entries))
        link.send(request(call_id="not-any-more", from_="sip:alice@d99.example"))
        self.assertEqual(link.recv().status, 403, "it is the domain of an entry that the peer does not stand for now")

    def test_a_listener_that_only_watches(self):
        self.edge(listeners=[{"side": "external", "protocol": "TLS", "host": "127.0.0.1", "port": 0, "tls": "edge", "enforce": False},
                             {"side": "internal", "protocol": "TCP", "host": "127.0.0.1", "port": 0}])
        for name, reason in (("stranger", "dn_unknown"), ("twin", "chain_invalid"), ("old", "expired"), (None, "no_certificate")):
            self.untrusted(name)
            self.running.logged(f"event=peer_observed .*would_be=refused reason={reason}")
        self.untrusted("partner")
        self.running.logged("event=peer_observed .*would_be=trusted")
        self.assertNotIn("event=connection_refused", self.running.log.read_text())

    def test_watching_ends(self):
        self.edge(external_domains=self.entry(distinguished_name=PARTNER_DN, enforce=False))
        good, twin = self.untrusted("partner"), self.untrusted("twin")
        self.running.logged("event=peer_observed .*would_be=trusted .*reason=observed")
        self.running.logged("event=peer_observed .*would_be=refused reason=chain_invalid")
        self.untrusted("old")
        self.refused("stranger", "dn_unknown")
        self.running.reload(self.config(self.containers, external_domains=self.entry(distinguished_name=PARTNER_DN)))
        self.assertEqual(twin.sock.recv(1), b"", "what was only watched must now prove right")
        wait_for("trust", lambda: any(c["trusted"] for c in self.running.ctl("connections")["connections"]))
        good.send(request(call_id="now"))
        self.assertEqual(good.recv().status, 200)
        self.assertEqual(self.container.find("now").all(IDENTITY), ["<sip:alice@partner.example>"])
        self.running.reload(self.config(self.containers, external_domains=self.entry(distinguished_name=PARTNER_DN, enforce=False)))
        wait_for("no trust", lambda: not any(c["trusted"] for c in self.running.ctl("connections")["connections"]))
        good.send(request(call_id="watched-again"))
        self.assertEqual(good.recv().status, 200)
        self.assertEqual(self.container.find("watched-again").all(IDENTITY), [])


if __name__ == "__main__":
    main()
