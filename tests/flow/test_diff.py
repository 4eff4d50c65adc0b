#!/usr/bin/env python3
"""What a reload would change, and has changed: --check --diff and sipwardctl reload."""
import copy
import json
import os
import signal
import socket
import subprocess
import threading

from harness import BUILD, FlowTest, PARTNER_DN, STRANGER_DN, main, wait_for

GROUPS = ("settings", "listeners", "tls", "certificates", "crls", "clusters", "servers", "routing_rules", "domains")


class Diff(FlowTest):
    def check(self, cfg, *args):
        """--check --diff of another configuration than the running one's; exit code, stdout, stderr."""
        path = self.run_dir / "other.json"
        path.write_text(json.dumps(cfg) if isinstance(cfg, dict) else cfg)
        p = subprocess.run([str(BUILD / "sipward"), "--check", "--diff", "-c", str(path), *args], capture_output=True, text=True, timeout=60)
        return p.returncode, p.stdout, p.stderr

    def diff(self, cfg):
        """As JSON, without what has not changed: {group: [(change, name, what)]}."""
        code, out, err = self.check(cfg, "--json")
        self.assertEqual(code, 0, err)
        answer = json.loads(out)
        found = {g: [(r["change"], r["name"], r.get("what", "")) for r in answer[g]["list"]] for g in GROUPS if answer[g]["list"]}
        for g in GROUPS:
            self.assertEqual(sum(answer[g][k] for k in ("added", "removed", "changed")), len(found.get(g, [])), g)
        self.assertEqual(answer["changes"], sum(len(v) for v in found.values()) + len(answer["needs_restart"]))
        if answer["needs_restart"]:
            found["needs_restart"] = answer["needs_restart"]
        return found

    def start(self, **changes):
        entry = {"distinguished_name": PARTNER_DN, "protocol": "TLS", "host": "127.0.0.1", "port": 6061}
        self.edge(external_domains=[{**entry, "domain": "partner.example"}, {**entry, "domain": "*.partner.example"},
                                    {"domain": "other.example", "protocol": "TLS", "hosts": [{"host": "a.other.example"}]}], **changes)
        return copy.deepcopy(self.running.config)

    def test_nothing_changes(self):
        cfg = self.start()
        self.assertEqual(self.diff(cfg), {})
        code, out, err = self.check(cfg)
        self.assertEqual((code, out), (0, "nothing would change\n"), err)
        cfg["external_domains"].reverse()
        cfg["local_domains"] = list(reversed(cfg["local_domains"]))
        self.assertEqual(self.diff(cfg), {}, "the order says nothing")
        self.assertEqual(self.running.status()["generation"], 1, "and nothing was changed by asking")

    def test_domains(self):
        cfg = self.start()
        d = cfg["external_domains"]
        d[0]["distinguished_name"] = [PARTNER_DN, STRANGER_DN]
        d[1]["enabled"] = False
        d[2] = {"domain": "*.new.example", "protocol": "TCP", "trusted_addresses": ["192.0.2.0/24"]}
        changes = self.diff(cfg).pop("domains")
        self.assertEqual([(c, n) for c, n, _ in changes], [("added", "*.new.example"), ("removed", "other.example"),
                                                           ("changed", "partner.example"), ("changed", "*.partner.example")])
        self.assertRegex(changes[2][2], r"^distinguished_name: CN=sip\.partner\.example,O=partner gmbh,C=de -> CN=sip\.partner")
        self.assertEqual(changes[3][2], "enabled: true -> false")
        code, out, _ = self.check(cfg)
        self.assertEqual(code, 0)
        self.assertIn("domains: 1 added, 1 removed, 2 changed\n  + *.new.example\n  - other.example\n  ~ partner.example: ", out)

    def test_each_key_of_a_domain(self):
        cfg = self.start()
        for key, value in [("trusted_addresses", ["192.0.2.1"]), ("host", "192.0.2.7"), ("port", 7000), ("trust_domain", True), ("sni", "x.example"),
                           ("reuse", "never"), ("options_ping", 5), ("crlf_ping", 6), ("retry_after", False), ("overload_control", True),
                           ("limits", {"calls_per_second": 1}), ("identity", {"source": "asserted"}), ("identity", {"vouches_for": ["own", "z.example"]}),
                           ("trust", [str(self.pki.path("ca.pem"))]), ("subject_alt_names", ["q.example"]), ("spki_sha256", ["ab" * 32]),
                           ("enforce", False), ("protocol", "TCP")]:
            other = copy.deepcopy(cfg)
            other["external_domains"][0][key] = value
            if key == "protocol":
                other["external_domains"][0].pop("distinguished_name")
            changes = self.diff(other)
            self.assertEqual([c[:2] for c in changes["domains"]], [("changed", "partner.example")], key)
            name = {"host": "hosts", "port": "hosts"}.get(key, key)
            self.assertIn(name, changes["domains"][0][2])

    def test_everything_else(self):
        cfg = self.start()
        cfg["timeouts"] = {"idle": 60}
        cfg["local_domains"].append("more.example")
        cfg["log"] = {"level": "warn"}
        cfg["listeners"].append({"side": "external", "protocol": "TCP", "host": "127.0.0.1", "port": 5999})
        cfg["listeners"][0]["methods"] = ["INVITE", "ACK", "BYE", "CANCEL"]
        cfg["clusters"]["main"]["probe_interval"] = 3
        cfg["clusters"]["main"]["servers"][0]["weight"] = 7
        cfg["clusters"]["main"]["servers"].append({"host": "127.0.0.1", "port": 1, "protocol": "TCP"})
        cfg["clusters"]["second"] = {"servers": [{"host": "127.0.0.1", "port": 2, "protocol": "TCP"}]}
        cfg["routing_rules"] = [{"match": {"method": "INFO"}, "cluster": "second"}]
        found = self.diff(cfg)
        self.assertIn(("changed", "timeouts.idle: 3600 -> 60", ""), found["settings"])
        self.assertIn(("changed", "log.level: info -> warn", ""), found["settings"])
        self.assertIn(("changed", "local_domains", ""), found["settings"])
        self.assertEqual([c[:2] for c in found["listeners"]], [("added", "external TCP 127.0.0.1:5999"), ("changed", "external TLS 127.0.0.1:0")])
        self.assertEqual([c[:2] for c in found["clusters"]], [("added", "second"), ("changed", "main")])
        port = self.container.port
        self.assertEqual(sorted(c[:2] for c in found["servers"]),
                         [("added", "main: 127.0.0.1:1;tcp"), ("added", "second: 127.0.0.1:2;tcp"), ("changed", f"main: 127.0.0.1:{port};tcp")])
        self.assertEqual(found["routing_rules"], [("added", "1", "")])
        answer = self.running.reload(cfg)
        for words in ("settings: ", "listeners: 1 added, 1 changed", "clusters: 1 added, 1 changed", "servers: 2 added, 1 changed", "routing_rules: 1 added"):
            self.assertIn(words, answer["text"])
        self.assertEqual(self.diff(cfg), {}, "what is running is what was asked for")

    def test_certificates_and_crls(self):
        self.pki.crl("before")
        cfg = self.config([])
        cfg["tls"]["edge"]["crl"] = [str(self.pki.path("before.crl"))]
        cfg = self.start(tls=cfg["tls"])
        self.pki.leaf("renewed", "/C=DE/O=Core/CN=edge.example", san="DNS:edge.example", days=9)
        self.pki.crl("after", ["stranger"])
        tls = cfg["tls"]["edge"]
        tls["certificate"], tls["private_key"] = str(self.pki.path("renewed.pem")), str(self.pki.path("renewed.key"))
        tls["crl"] = [str(self.pki.path("after.crl"))]
        found = self.diff(cfg)
        serial = [subprocess.run(["openssl", "x509", "-in", str(self.pki.path(n + ".pem")), "-noout", "-serial"], capture_output=True, text=True)
                  .stdout.strip().split("=")[1].lower() for n in ("edge", "renewed")]
        (change, name, what), = found["certificates"]
        self.assertEqual((change, name), ("changed", "edge"))
        self.assertIn(f"serial: {serial[0]} -> {serial[1]}", what)
        self.assertRegex(what, r"ends: \d{4}-\d\d-\d\dT[\d:]+Z -> \d{4}-\d\d-\d\dT[\d:]+Z")
        (change, name, what), = found["crls"]
        self.assertRegex(name, "^edge, of the CA with the key ")
        self.assertIn("revoked certificates: 0 -> 1", what)
        self.assertEqual([c[:2] for c in found["tls"]], [("changed", "edge")])
        tls.pop("crl")
        self.assertEqual([c[0] for c in self.diff(cfg)["crls"]], ["removed"])

    def test_what_needs_a_restart(self):
        cfg = self.start()
        cfg["workers"] = 1
        cfg["pid_file"] = str(self.run_dir / "pid")
        self.assertEqual(self.diff(cfg)["needs_restart"], ["/workers", "/pid_file"])
        self.assertIn("needs a restart: /workers; a reload would be refused", self.check(cfg)[1])
        answer = self.running.reload(cfg, check=False)
        self.assertFalse(answer["ok"])
        for key in ("/workers", "/pid_file"):
            self.assertIn(f"{key}: a change needs a restart", answer["text"])

    def test_many_are_counted(self):
        cfg = self.start()
        cfg["external_domains"] += [{"domain": f"d{i}.example", "protocol": "TLS"} for i in range(250)]
        code, out, err = self.check(cfg)
        self.assertEqual(code, 0, err)
        self.assertIn("domains: 250 added\n", out)
        self.assertEqual(out.count("\n  + "), 101)
        self.assertIn("  + ... and 150 more\n", out)
        self.running.reload(cfg)
        code, out, err = self.check({**cfg, "external_domains": cfg["external_domains"][:3]})
        self.assertIn("domains: 250 removed\n", out)

    def test_exit_codes(self):
        cfg = self.start()
        self.assertEqual(self.check("{")[0], 78)
        self.assertEqual(self.check({**cfg, "wokrers": 1})[0], 78)
        code, out, err = self.check(cfg, "-s", str(self.run_dir / "nobody.sock"))
        self.assertEqual((code, out), (1, ""))
        self.assertIn("nobody.sock", err)
        # -s names the running one, whatever the new configuration says.
        moved = {**cfg, "control_socket": str(self.run_dir / "new.sock")}
        self.assertEqual(self.check(moved)[0], 1)
        code, out, err = self.check(moved, "-s", str(self.running.socket))
        self.assertEqual(code, 0, err)
        self.assertIn("needs a restart: /control_socket", out)
        run = lambda *a: subprocess.run([str(BUILD / "sipward"), *a], capture_output=True).returncode
        self.assertEqual(run("--diff", "-c", "x"), 2)
        self.assertEqual(run("--check", "--json", "-c", "x"), 2)
        self.assertEqual(run("-s", "x", "-c", "x"), 2)

    def test_what_answers_is_not_believed(self):
        cfg = self.start()
        path = self.run_dir / "liar.sock"
        liar = socket.socket(socket.AF_UNIX)
        liar.bind(str(path))
        liar.listen(1)
        junk = os.memfd_create("junk", os.MFD_ALLOW_SEALING)
        os.write(junk, os.urandom(100000))
        for reply, fds in [(b"", []), (b"{}\n", []), (b"\n", []), (b"{\"ok\": true}\n", [junk]), (b"{\"ok\": true}\n", [junk, junk]),
                           (b"x" * 5000 + b"\n", []), (b"{\"ok\": false, \"error\": \"no such\"}\n", []), (b"{\"version\": \"9\"}\n", [junk])]:
            def serve(reply=reply, fds=fds):
                c, _ = liar.accept()
                with c:
                    c.recv(100)
                    if reply:
                        socket.send_fds(c, [reply], fds)
            t = threading.Thread(target=serve)
            t.start()
            code, out, err = self.check(cfg, "-s", str(path))
            t.join()
            self.assertEqual((code, out), (1, ""), reply)
            self.assertTrue(err, reply)
            self.assertNotIn("Sanitizer", err)
        liar.close()
        os.close(junk)


class Reasons(FlowTest):
    """A reload that fails says everything that is wrong, whoever asked."""

    def bad(self, name, lines):
        path = self.run_dir / name
        path.write_text("".join(json.dumps(l) + "\n" for l in lines))
        return path

    def test_three_files_at_once(self):
        files = [self.run_dir / f"d{i}.jsonl" for i in range(3)]
        for f in files:
            f.write_text("")
        self.edge(external_domain_files=[str(f) for f in files])
        self.bad("d0.jsonl", [{"domain": f"a{i}.example", "protcol": "TLS", "wrong key that has a rather long name": 1} for i in range(40)])
        self.bad("d1.jsonl", [{"domain": "b.example", "distinguished_name": "nothing"}])
        files[2].write_text('{"domain": "c.example"')
        cfg = copy.deepcopy(self.running.config)
        cfg["wokrers"] = 1
        self.running.write(cfg)
        p = subprocess.run([str(BUILD / "sipwardctl"), "-s", str(self.running.socket), "reload"], capture_output=True, text=True, timeout=60)
        self.assertEqual(p.returncode, 1)
        for i in range(40):
            self.assertIn(f"d0.jsonl:{i + 1}: /protcol: unknown key", p.stderr)
        for words in ("d1.jsonl:1: /distinguished_name", "d2.jsonl:1: ", "sipward.json:", "/wokrers"):
            self.assertIn(words, p.stderr)
        self.assertGreater(len(p.stderr), 8192, "more than one message holds")
        self.assertEqual(self.running.status()["generation"], 1)

    def test_who_asks_at_the_same_time(self):
        self.edge()
        answers = []
        good = copy.deepcopy(self.running.config)

        def ask():
            answers.append(self.running.ctl("reload", check=False))
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([a["ok"] for a in answers], [True] * 8, answers)
        self.assertLessEqual(self.running.status()["generation"], 9)
        self.assertTrue(self.running.reload(good)["ok"])

    def test_workers_are_killed_meanwhile(self):
        """Whatever it says, it is true: all run the generation of an answer that is good, and none that of one that is not."""
        self.edge()
        a, b = copy.deepcopy(self.running.config), copy.deepcopy(self.running.config)
        b["timeouts"] = {"idle": 61}
        stop = threading.Event()

        def kill():
            while not stop.is_set():
                for w in self.running.status()["workers"]:
                    if w["pid"]:
                        try:
                            os.kill(w["pid"], signal.SIGKILL)
                        except ProcessLookupError:
                            pass
                    if stop.wait(0.02):
                        return
        t = threading.Thread(target=kill)
        t.start()
        try:
            for i in range(15):
                before = self.running.status()["generation"]
                answer = self.running.reload(b if i % 2 == 0 else a, check=False)
                after = self.running.status()["generation"]
                if answer["ok"]:
                    self.assertGreater(after, before)
                else:
                    self.assertEqual(after, before, answer)
                    self.assertRegex(answer["text"], "worker [01] ")
        finally:
            stop.set()
            t.join()
        wait_for("all workers", lambda: all(w["pid"] and w["generation"] == self.running.status()["generation"]
                                            for w in self.running.status()["workers"]), 15)

    def test_warnings_reach_who_asked(self):
        self.edge()
        cfg = copy.deepcopy(self.running.config)
        cfg["external_domain_files"] = [str(self.run_dir / "none*.json")]
        answer = self.running.reload(cfg)
        self.assertIn("names no file now", answer["text"])


if __name__ == "__main__":
    main()
