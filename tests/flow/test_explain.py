#!/usr/bin/env python3
"""`sipwardctl explain`: what a connection would be told, and that it is told just this: every certificate both ways."""
import json
import re
import ssl
import subprocess

from harness import BUILD, FlowTest, connect_tls, main, request, run, tls_context, wait_for, PARTNER_DN

SUBJECT = "/C=DE/O=Partner GmbH/CN=sip.partner.example"


class Explain(FlowTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pki = cls.pki
        pki.ca("ca2", "/C=DE/O=Other/CN=Other CA")
        pki.leaf("twin", SUBJECT, ca="ca2")
        pki.leaf("old", SUBJECT, expired=True)
        pki.leaf("mail", SUBJECT, eku="emailProtection")
        pki.leaf("revoked", SUBJECT)
        pki.leaf("almost", "/C=DE/O=Partner GmbH/CN=sip.partner.exampel")
        pki.leaf("by-uri", "/CN=nobody", san="URI:sip:uri.example")
        pki.leaf("off", "/CN=off")
        pki.leaf("watched", "/CN=watched")
        pki.leaf("reversed", "/CN=sip.partner.example/O=Partner GmbH/C=DE")
        pki.leaf("multi", "/C=DE/O=Partner GmbH/CN=sip.partner.example/CN=second")
        pki.leaf("empty", "/")
        cls.intermediate("not-a-ca", "CA:FALSE", "digitalSignature")
        cls.intermediate("no-sign", "CA:TRUE", "digitalSignature")
        cls.intermediate("short", "CA:TRUE,pathlen:0", "keyCertSign", below="deeper")
        cls.intermediate("limited", "CA:TRUE", "keyCertSign", constraints="nameConstraints=critical,permitted;DNS:other.example",
                         san="DNS:sip.partner.example")
        cls.intermediate("good", "CA:TRUE", "keyCertSign")
        pki.crl("list", revoked=["revoked"])

    @classmethod
    def intermediate(cls, name, basic, usage, below=None, constraints="", san=None):
        """A CA certificate `name` from ca, perhaps another one below it, and under these name-leaf with its chain."""
        pki = cls.pki
        chain, issuer = [], "ca"
        for ca, basic_of, usage_of in [(name, basic, usage)] + ([(below, "CA:TRUE", "keyCertSign")] if below else []):
            pki.key(ca)
            pki.path(ca + ".ext").write_text(f"basicConstraints=critical,{basic_of}\nkeyUsage=critical,{usage_of}\n{constraints}\n")
            csr = run("openssl", "req", "-new", "-key", pki.path(ca + ".key"), "-subj", f"/CN={ca} CA")
            run("openssl", "x509", "-req", "-CA", pki.path(issuer + ".pem"), "-CAkey", pki.path(issuer + ".key"), "-CAcreateserial", "-sha256",
                "-days", "20", "-extfile", pki.path(ca + ".ext"), "-out", pki.path(ca + ".pem"), input=csr)
            chain.insert(0, ca)
            issuer = ca
        pki.leaf(f"{name}-leaf", SUBJECT, ca=issuer, san=san)
        with open(pki.path(f"{name}-leaf.pem"), "a") as f:
            f.writelines(pki.path(c + ".pem").read_text() for c in chain)

    def run_edge(self):
        domains = [{"domain": "partner.example", "distinguished_name": PARTNER_DN, "protocol": "TLS", "host": "127.0.0.1", "port": 6061},
                   {"domain": "uri.example", "subject_alt_names": "uri.example"},
                   {"domain": "off.example", "distinguished_name": "CN=off", "enabled": False},
                   {"domain": "watched.example", "distinguished_name": "CN=watched", "enforce": False}]
        tls = {"edge": {"certificate": str(self.pki.path("edge.pem")), "private_key": str(self.pki.path("edge.key")),
                        "trust": [str(self.pki.path("ca.pem"))], "crl": [str(self.pki.path("list.crl"))]}}
        self.edge(external_domains=domains, tls=tls)

    def explain(self, name, *options):
        p = subprocess.run([BUILD / "sipwardctl", "-s", self.running.socket, "--json", "explain", self.pki.path(f"{name}.pem"), *options],
                           capture_output=True, text=True, timeout=30)
        answer = json.loads(p.stdout)
        self.assertEqual(p.returncode, 0 if answer["ok"] else 1, answer)
        return answer

    def connects(self, name):
        """What a real handshake is told: "trusted", "untrusted" or the reason in the log."""
        before = len(self.running.log.read_text(errors="replace"))
        try:
            link = connect_tls(self.tls_port, tls_context(self.pki, name))
            link.send(request(call_id=f"real-{name}", from_=f"sip:a@{'uri' if name == 'by-uri' else 'partner'}.example"))
            if link.recv().status == 200:
                return "trusted" if self.container.find(f"real-{name}").all("p-preferred-identity") else "untrusted"
        except (ssl.SSLError, ConnectionError, AttributeError, EOFError):
            pass
        tail = lambda: self.running.log.read_text(errors="replace")[before:]  # noqa: E731
        wait_for("a reason in the log", lambda: re.search(r"event=connection_refused .*reason=\S+", tail()))
        return re.search(r"event=connection_refused .*reason=(\S+)", tail())[1]

    def test_it_says_what_a_connection_is_told(self):
        self.run_edge()
        for name, reason in (("partner", "trusted"), ("by-uri", "trusted"), ("good-leaf", "trusted"), ("stranger", "dn_unknown"),
                             ("almost", "dn_unknown"), ("reversed", "dn_unknown"), ("multi", "dn_unknown"), ("empty", "dn_unusable"),
                             ("twin", "chain_invalid"), ("old", "expired"), ("mail", "wrong_usage"), ("revoked", "revoked"),
                             ("off", "domain_disabled"), ("watched", "observed"), ("not-a-ca-leaf", "chain_invalid"),
                             ("no-sign-leaf", "chain_invalid"), ("short-leaf", "chain_invalid"), ("limited-leaf", "chain_invalid")):
            with self.subTest(name):
                verdict = self.explain(name)["verdicts"][0]
                self.assertEqual((verdict["profile"], verdict["reason"]), ("edge", reason), name)
                self.assertEqual(verdict["trusted"], reason == "trusted", name)
                self.assertEqual(self.connects(name), {"observed": "untrusted"}.get(reason, reason), name)

    def test_what_is_in_the_answer(self):
        self.run_edge()
        answer = self.explain("partner")
        serial = run("openssl", "x509", "-in", self.pki.path("partner.pem"), "-noout", "-serial").decode().strip().split("=")[1]
        self.assertEqual((answer["dn"], answer["serial"].upper(), answer["verdicts"][0]["domains"]), (PARTNER_DN, serial, ["partner.example"]))
        answer = self.explain("almost")["verdicts"][0]
        self.assertIn("CN=sip.partner.example", answer["nearest"])
        self.assertIn("sip.partner.exampel", answer["difference"])
        self.assertIn("depth", self.explain("short-leaf")["verdicts"][0])
        self.assertEqual(self.explain("by-uri")["subject_alt_names"], ["uri.example"])
        text = subprocess.run([BUILD / "sipwardctl", "-s", self.running.socket, "explain", self.pki.path("almost.pem")], capture_output=True, text=True)
        self.assertEqual(text.returncode, 1)
        self.assertIn("refused (dn_unknown)", text.stdout)

    def test_as_a_server_and_by_profile(self):
        self.run_edge()
        self.assertEqual(self.explain("partner", "--domain", "partner.example")["verdicts"][0]["reason"], "trusted")
        self.assertEqual(self.explain("stranger", "--domain", "partner.example")["verdicts"][0]["reason"], "dn_unknown")
        self.assertEqual(self.explain("partner", "--profile", "edge")["verdicts"][0]["reason"], "trusted")
        self.assertIn("no such profile", self.explain("partner", "--profile", "none")["error"])
        self.assertIn("no domain", self.explain("partner", "--domain", "nobody.example")["error"])

    def test_after_a_block(self):
        self.run_edge()
        self.running.ctl("domain", "block", "partner.example")
        self.assertEqual(self.explain("partner")["verdicts"][0]["reason"], "domain_blocked")
        self.running.ctl("domain", "unblock", "partner.example")
        self.assertEqual(self.explain("partner")["verdicts"][0]["reason"], "trusted")

    def test_what_is_no_certificate(self):
        self.run_edge()
        pem = self.pki.path("partner.pem").read_text()
        for name, text in (("nothing", ""), ("cut", pem[:200]), ("key", self.pki.path("partner.key").read_text()),
                           ("damaged", pem[:100] + "AAAA" + pem[104:]), ("many", pem * 18)):
            self.pki.path(f"bad-{name}.pem").write_text(text)
            self.assertIn("no certificate in PEM form", self.explain(f"bad-{name}")["error"], name)
        self.pki.path("bad-large.pem").write_text(pem * 100)
        p = subprocess.run([BUILD / "sipwardctl", "-s", self.running.socket, "explain", self.pki.path("bad-large.pem")], capture_output=True, text=True)
        self.assertEqual(p.returncode, 1)
        self.assertIn("too large", p.stderr)
        self.assertEqual(self.explain("partner")["verdicts"][0]["reason"], "trusted", "it goes on answering")


if __name__ == "__main__":
    main()
