#!/usr/bin/env python3
"""Files that are not what they should be, wherever the configuration names one: nothing changes, and the error says which and where."""
import copy
import json
import os
import subprocess
import threading

from harness import BUILD, FlowTest, PARTNER_DN, main, request

ENTRY = {"distinguished_name": PARTNER_DN, "protocol": "TLS", "host": "127.0.0.1", "port": 6061}


class Mistakes(FlowTest):
    def works(self, link, call_id):
        link.send(request(call_id=call_id))
        return link.recv().status == 200

    def strange(self):
        """(why, path) of things that are no file, or no good one."""
        folder, fifo = self.run_dir / "folder", self.run_dir / "fifo"
        folder.mkdir()
        os.mkfifo(fifo)
        (self.run_dir / "random").write_bytes(os.urandom(50000))
        (self.run_dir / "empty").write_bytes(b"")
        (self.run_dir / "cut").write_bytes(self.pki.path("edge.pem").read_bytes()[:-120])
        (self.run_dir / "loop").symlink_to(self.run_dir / "loop")
        return [(p.name if hasattr(p, "name") else p, p) for p in (folder, fifo, *(self.run_dir / n for n in ("random", "empty", "cut", "loop", "none")),
                                                                   "/dev/zero", "/dev/null", "/dev/random")]

    def test_each_place_of_a_file(self):
        users = self.run_dir / "users.json"
        users.write_text("[]")
        self.edge()
        link = self.peer()
        good = copy.deepcopy(self.running.config)

        def profile(key):
            return lambda cfg, path: cfg["tls"]["edge"].__setitem__(key, [str(path)] if key in ("trust", "crl") else str(path))

        places = {"/tls/edge/certificate": profile("certificate"), "/tls/edge/private_key": profile("private_key"),
                  "/tls/edge/trust": profile("trust"), "/tls/edge/crl": profile("crl"),
                  "/external_domains/0/trust": lambda cfg, path: cfg["external_domains"][0].__setitem__("trust", str(path)),
                  "/token_secret_files": lambda cfg, path: cfg.__setitem__("token_secret_files", [str(path)]),
                  "/listeners/0/proxy_auth/users_file": lambda cfg, path: cfg["listeners"][0].__setitem__(
                      "proxy_auth", {"realm": "r", "users_file": str(path)})}
        for why, path in self.strange():
            for pointer, put in places.items():
                if pointer == "/token_secret_files" and why in ("random", "cut"):
                    continue  # as good a secret as any
                if pointer.endswith("users_file") and why == "empty":
                    continue  # nobody
                cfg = copy.deepcopy(good)
                put(cfg, path)
                answer = self.running.reload(cfg, check=False)
                self.assertFalse(answer["ok"], (why, pointer))
                # A place in the configuration, or in a file of users.
                self.assertRegex(answer["text"], rf"({self.running.file}:\d+: {pointer}|{path}:\d+: )", (why, pointer))
                self.assertEqual(self.running.status()["generation"], 1, (why, pointer))
        self.assertTrue(self.works(link, "still"))
        self.assertTrue(self.running.reload(good)["ok"])

    def test_the_configuration_itself(self):
        self.edge()
        link = self.peer()
        text = self.running.file.read_bytes()
        for why, path in self.strange():
            self.running.file.unlink()
            self.running.file.symlink_to(path)
            answer = self.running.reload(check=False)
            self.assertFalse(answer["ok"], why)
            self.assertIn(str(self.running.file), answer["text"], why)
            self.assertEqual(self.running.status()["generation"], 1, why)
        self.assertTrue(self.works(link, "still"))
        self.running.file.unlink()
        self.running.file.write_bytes(text)
        self.assertTrue(self.running.reload()["ok"])

    def test_two_hundred_reloads_while_it_is_written(self):
        """Of a configuration that somebody writes in place, again and again, each reload takes a whole version or nothing."""
        names = ("one.example", "two.example")
        filler = [{"domain": f"d{i}.example", "protocol": "TLS"} for i in range(300)]
        self.edge()
        good = self.running.config
        versions = [json.dumps({**good, "external_domains": [{**ENTRY, "domain": n}, *filler, {"domain": "last." + n, "protocol": "TLS"}]}) for n in names]
        stop = threading.Event()

        def rewrite():
            n = 0
            while not stop.wait(0.002):
                n += 1
                if n % 5 == 0:  # as an editor does: a new file in place of the old one
                    fresh = self.run_dir / "fresh"
                    fresh.write_text(versions[n % 2])
                    fresh.rename(self.running.file)
                else:
                    self.running.file.write_text(versions[n % 2])
        link = self.peer()
        writer = threading.Thread(target=rewrite)
        writer.start()
        generation, taken = 1, 0
        try:
            for i in range(200):
                answer = self.running.reload(check=False)
                now = self.running.status()["generation"]
                if answer["ok"]:
                    taken += 1
                    rows = [d["domain"] for d in self.running.ctl("domains")["domains"]]
                    self.assertEqual(len(rows), 302)
                    self.assertEqual(rows[-1], "last." + rows[0])
                else:
                    self.assertEqual(now, generation)
                    self.assertIn(str(self.running.file), answer["text"])
                generation = now
        finally:
            stop.set()
            writer.join()
        self.running.file.write_text(versions[0])
        self.assertTrue(self.running.reload()["ok"], "once it is left alone")
        link.send(request(call_id="alive", from_="sip:a@one.example"))
        self.assertEqual(link.recv().status, 200)

    def test_what_is_found(self):
        self.pki.ca("ca2", "/C=DE/O=Other/CN=Other CA")
        trust = [str(self.pki.path("ca.pem")), str(self.pki.path("ca2.pem"))]
        first, second = self.run_dir / "first.jsonl", self.run_dir / "second.jsonl"
        lines = lambda *rows: "".join(json.dumps(r) + "\n" for r in rows)  # noqa: E731
        first.write_text(lines({"domain": "quiet.example", "protocol": "TLS"}, {**ENTRY, "domain": "a.example", "trust": trust[0]}))
        second.write_text("\n\n" + lines({**ENTRY, "domain": "b.example", "trust": trust[1]}, {"domain": "*.deep.core.example", "protocol": "TLS"}))
        self.edge()
        cfg = {**self.running.config, "external_domains": [], "external_domain_files": [str(first), str(second)]}
        cfg["tls"]["edge"]["trust"] = trust
        self.running.write(cfg)
        check = lambda: subprocess.run([str(BUILD / "sipward"), "--check", "-c", str(self.running.file)], capture_output=True, text=True)  # noqa: E731
        p = check()
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertRegex(p.stderr, rf'{second}:3: warning: "CN=sip.partner.example,O=partner gmbh,C=de" stands with another "trust" at {first}:2: ')
        self.assertRegex(p.stderr, rf"{second}:4: /domain: warning: .* stands below one of /local_domains")
        second.write_text(lines({**ENTRY, "domain": "A.example.", "trust": trust[0]}, {"domain": "*.10.1.2.3", "protocol": "TLS"}))
        p = check()
        self.assertEqual(p.returncode, 78)
        self.assertRegex(p.stderr, rf"{second}:1: /domain: found .* for the second time, .* the first is at {first}:2")
        self.assertRegex(p.stderr, rf"{second}:2: /domain: found .* but no host stands below an address")

    def test_many_mistakes_in_the_configuration_itself(self):
        self.edge()
        cfg = copy.deepcopy(self.running.config)
        cfg["external_domains"] = [{"domain": "same.example", "protocl": "TLS"}] * 20000
        self.running.write(cfg)
        p = subprocess.run([str(BUILD / "sipward"), "--check", "-c", str(self.running.file)], capture_output=True, text=True)
        self.assertEqual(p.returncode, 78)
        lines = p.stderr.splitlines()
        self.assertEqual(len(lines), 101, "the first hundred, and how many more")
        self.assertRegex(lines[0], rf"{self.running.file}:\d+: /external_domains/0/protocl: unknown key")
        self.assertEqual(lines[-1], "... and 39899 more")


if __name__ == "__main__":
    main()
