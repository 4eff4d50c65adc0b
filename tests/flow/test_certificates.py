#!/usr/bin/env python3
"""Our own certificates: which one is shown to whom, changed while calls run, and when they end."""
import subprocess

from harness import BUILD, FlowTest, main, request, run


class Certificates(FlowTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pki = cls.pki
        for name in ("one", "wild", "next"):
            pki.leaf(name, f"/CN={name}", san=f"DNS:{name}.example", eku="serverAuth,clientAuth")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pki.path("rsa.key"), "-subj", "/CN=one-rsa", "-days", "10",
            "-addext", "keyUsage=critical,digitalSignature", "-addext", "basicConstraints=critical,CA:FALSE", "-out", pki.path("rsa.pem"))
        pki.crl("list")

    def profile(self, **keys):
        path = lambda name: str(self.pki.path(name))  # noqa: E731
        edge = {"certificate": path("edge.pem"), "private_key": path("edge.key"), "trust": [path("ca.pem")],
                "server_names": [
                    {"names": ["One.Example", "uno.example"], "certificate": [path("one.pem"), path("rsa.pem")],
                     "private_key": [path("one.key"), path("rsa.key")]},
                    {"names": "*.wild.example", "certificate": path("wild.pem"), "private_key": path("wild.key")}]}
        edge.update(keys)
        return {"edge": edge}

    def shown(self, name=None, *options):
        """Subject of the certificate that a client sees."""
        args = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls_port}", "-cert", self.pki.path("partner.pem"), "-key",
                self.pki.path("partner.key"), *options] + (["-servername", name] if name else ["-noservername"])
        out = subprocess.run([str(a) for a in args], input=b"", capture_output=True, timeout=20).stdout.decode(errors="replace")
        return out.split("subject=")[1].splitlines()[0].strip() if "subject=" in out else out

    def test_chosen_by_name(self):
        self.edge(tls=self.profile())
        edge = self.shown()
        self.assertIn("edge.example", edge)
        for name, subject in (("one.example", "CN = one"), ("ONE.example", "CN = one"), ("uno.example", "CN = one"), ("a.wild.example", "CN = wild"),
                              ("wild.example", edge), ("a.b.wild.example", edge), ("else.example", edge), ("xone.example", edge),
                              ("x" * 63 + ".example", edge)):
            for version in ("-tls1_2", "-tls1_3"):
                self.assertEqual(self.shown(name, version), subject, (name, version))

    def test_by_kind_of_key(self):
        self.edge(tls=self.profile())
        self.assertEqual(self.shown("one.example", "-sigalgs", "rsa_pss_rsae_sha256", "-tls1_3"), "CN = one-rsa")
        self.assertEqual(self.shown("one.example", "-sigalgs", "ecdsa_secp256r1_sha256", "-tls1_3"), "CN = one")
        self.assertNotIn("CN =", self.shown("a.wild.example", "-sigalgs", "rsa_pss_rsae_sha256", "-tls1_3"), "not another name's key")

    def test_the_name_changes_nothing_else(self):
        """Who is trusted, and who is not, is the profile's whatever was asked for."""
        self.edge(tls=self.profile())
        link = self.peer()
        link.send(request(call_id="asked"))
        self.assertEqual(link.recv().status, 200)
        args = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls_port}", "-servername", "one.example", "-tls1_2", "-cert",
                self.pki.path("stranger.pem"), "-key", self.pki.path("stranger.key")]
        got = subprocess.run([str(a) for a in args], input=b"", capture_output=True, timeout=20)
        self.assertIn(b"alert", got.stderr)
        self.running.logged("event=connection_refused .*reason=dn_unknown")

    def test_changed_while_calls_run(self):
        self.edge(tls=self.profile())
        link = self.peer()
        path = self.pki.path
        self.running.reload(self.config(self.containers, tls=self.profile(certificate=str(path("next.pem")), private_key=str(path("next.key")))))
        self.assertEqual(self.shown(), "CN = next")
        link.send(request(call_id="still"))
        self.assertEqual(link.recv().status, 200, "what is open stays")
        good = self.running.config
        bad = self.config(self.containers, tls=self.profile(certificate=str(path("one.pem")), private_key=str(path("next.key"))))
        answer = self.running.reload(bad, check=False)
        self.assertFalse(answer["ok"])
        self.assertIn("/tls/edge/private_key", answer["text"])
        self.assertEqual(self.shown(), "CN = next", "nothing has changed")
        self.running.reload(good)

    def test_when_they_end(self):
        self.edge(tls=self.profile(crl=[str(self.pki.path("list.crl"))]))
        rows = self.running.ctl("certificates")["certificates"]
        kinds = [(r["kind"], r["subject"]) for r in rows]
        self.assertEqual([k for k, _ in kinds], ["own", "own", "own", "own", "trust", "crl"])
        self.assertEqual(rows[1]["names"], ["one.example", "uno.example"])
        self.assertEqual(rows[2]["days_left"], 9, "the RSA one")
        self.assertIn(rows[0]["days_left"], (19, 20))
        self.assertEqual(rows[5]["subject"], "CN=Peering CA,O=Peering,C=DE")
        self.assertEqual(self.running.status()["next_expiry"]["subject"], rows[2]["subject"])
        text = subprocess.run([BUILD / "sipwardctl", "-s", self.running.socket, "certificates"], capture_output=True, text=True)
        self.assertIn("for one.example, uno.example", text.stdout)
        link = self.peer()
        link.send(request())
        link.recv()
        self.running.logged("event=connection_accepted .*not_after=20")
        self.assertGreater(next(c for c in self.running.ctl("connections")["connections"] if c["dn"])["not_after"], 0)


if __name__ == "__main__":
    main()
