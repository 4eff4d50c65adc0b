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

    def answer(self, name, status="good", ca="ca", days="5"):
        """An OCSP answer about a leaf, as its responder would give it."""
        pki = self.pki
        serial = run("openssl", "x509", "-in", pki.path(name + ".pem"), "-noout", "-serial").decode().strip().split("=")[1]
        mark = "V\t351231235959Z\t\t" if status == "good" else "R\t351231235959Z\t250101000000Z\t"
        index = pki.path(f"index-{name}-{status}.txt")
        index.write_text(f"{mark}{serial}\tunknown\t/CN={name}\n" if status != "unknown" else "")
        run("openssl", "ocsp", "-issuer", pki.path("ca.pem"), "-cert", pki.path(name + ".pem"), "-reqout", pki.path("request.der"), "-no_nonce")
        out = pki.path(f"{name}-{status}-{ca}.der")
        run("openssl", "ocsp", "-index", index, "-rsigner", pki.path(ca + ".pem"), "-rkey", pki.path(ca + ".key"), "-CA", pki.path("ca.pem"),
            "-reqin", pki.path("request.der"), "-respout", out, "-ndays", days)
        return str(out)

    def stapled(self, name, version):
        args = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls_port}", "-cert", self.pki.path("partner.pem"), "-key",
                self.pki.path("partner.key"), "-status", version, "-CAfile", self.pki.path("ca.pem")]
        args += ["-servername", name] if name else ["-noservername"]
        out = subprocess.run([str(a) for a in args], input=b"", capture_output=True, timeout=20).stdout.decode(errors="replace")
        serial = run("openssl", "x509", "-in", self.pki.path(("one" if name else "edge") + ".pem"), "-noout", "-serial").decode().strip()
        return "Cert Status: good" in out and serial.split("=")[1] in out if "OCSP Response Status: successful" in out else None

    def with_answers(self, edge, one):
        profile = self.profile(**({"ocsp_response": edge} if edge else {}))
        if one:
            profile["edge"]["server_names"][0]["ocsp_response"] = one
        return profile

    def test_answers_are_stapled(self):
        self.edge(tls=self.with_answers(self.answer("edge"), self.answer("one")))
        for version in ("-tls1_2", "-tls1_3"):
            self.assertTrue(self.stapled(None, version))
            self.assertTrue(self.stapled("one.example", version), "its own answer")
            self.assertIsNone(self.stapled("a.wild.example", version))
        self.assertIn("ocsp", [r["kind"] for r in self.running.ctl("certificates")["certificates"]])
        self.running.reload(self.config(self.containers, tls=self.with_answers(None, None)))
        self.assertIsNone(self.stapled(None, "-tls1_3"))

    def test_answers_that_are_wrong(self):
        """Each is refused at load, and nothing changes."""
        pki = self.pki
        pki.ca("other", "/CN=Other CA")
        garbage = pki.path("garbage.der")
        garbage.write_bytes(b"\x30\x03garbage")
        self.edge(tls=self.with_answers(self.answer("edge"), None))
        for file, words in ((str(garbage), "is no OCSP answer"), (self.answer("one"), "says nothing of the certificate"),
                            (self.answer("edge", "revoked"), "says that the certificate is revoked"),
                            (self.answer("edge", "unknown"), "does not know the certificate"),
                            (self.answer("edge", ca="other"), "is not signed by"), (str(pki.path("none")), "cannot be read")):
            answer = self.running.reload(self.config(self.containers, tls=self.with_answers(file, None)), check=False)
            self.assertFalse(answer["ok"], file)
            self.assertIn("/tls/edge/ocsp_response: ", answer["text"])
            self.assertIn(words, answer["text"])
            self.assertTrue(self.stapled(None, "-tls1_3"))

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
