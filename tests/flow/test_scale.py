#!/usr/bin/env python3
"""Many domains in files: found, replaced, and never half of a file; many reloads, many connections judged again.

SIPWARD_DOMAINS (20000), SIPWARD_RELOADS (60) and SIPWARD_CONNECTIONS (300) make it larger."""
import os
import threading

from harness import FlowTest, connect_tls, main, request, tls_context, wait_for, PARTNER_DN

DOMAINS = int(os.environ.get("SIPWARD_DOMAINS", "20000"))
RELOADS = int(os.environ.get("SIPWARD_RELOADS", "60"))
CONNECTIONS = int(os.environ.get("SIPWARD_CONNECTIONS", "300"))


def lines(count, company="Carrier", first=0):
    return "".join(f'{{"domain": "d{i}.example", "distinguished_name": "CN=sip.d{i}.example,O={company},C=DE", "host": "192.0.2.1"}}\n'
                   for i in range(first, first + count))


class Scale(FlowTest):
    def run_edge(self, text, **changes):
        self.file = self.run_dir / "domains.jsonl"
        self.file.write_text(text)
        self.edge(external_domain_files=[str(self.file)], **changes)

    def found(self, i, company="Carrier"):
        return self.running.ctl("lookup", f"CN=sip.d{i}.example,O={company},C=DE")["found"]

    def works(self, link, call_id):
        link.send(request(call_id=call_id))
        return link.recv().status == 200

    def test_all_are_found(self):
        self.run_edge(lines(DOMAINS))
        self.assertEqual(self.running.status()["domains"], DOMAINS + 1)
        for i in (0, 1, DOMAINS // 2, DOMAINS - 1):
            row = self.running.ctl("lookup", f"CN=sip.d{i}.example,O=Carrier,C=DE")["domains"][0]
            self.assertEqual((row["domain"], row["configured"]), (f"d{i}.example", f"{self.file}:{i + 1}"))
        self.assertFalse(self.found(DOMAINS))
        nearest = self.running.ctl("lookup", f"CN=s1p-d{DOMAINS - 1}.example,O=Carrier,C=DE")
        self.assertEqual(nearest["nearest"], f"CN=sip.d{DOMAINS - 1}.example,O=carrier,C=de")
        self.file.write_text("[\n" + lines(DOMAINS, "Other").replace("}\n", "},\n")[:-2] + "\n]\n")
        self.assertTrue(self.running.reload()["ok"])
        self.assertFalse(self.found(1))
        self.assertTrue(self.found(DOMAINS - 1, "Other"), "as one array now")

    def test_what_is_no_file_of_domains(self):
        self.run_edge(lines(2000))
        link = self.peer()
        fifo = self.run_dir / "fifo"
        os.mkfifo(fifo)
        whole = lines(2000)
        cases = [("random bytes", os.urandom(100000), self.file), ("cut", whole[:-20].encode(), self.file), ("an array without end", b"[" + whole[:200].encode(), self.file),
                 ("two at once", (lines(1) + lines(1)).encode(), self.file), ("a folder", None, self.run_dir), ("a pipe", None, fifo),
                 ("a device", None, "/dev/zero"), ("nothing there", None, self.run_dir / "none")]
        generation = self.running.status()["generation"]
        for why, content, path in cases:
            if content is not None:
                self.file.write_bytes(content)
            answer = self.running.reload(dict(self.running.config, external_domain_files=[str(path)]), check=False)
            self.assertFalse(answer["ok"], why)
            self.assertRegex(answer["text"], rf"{self.file if content is not None else self.running.file}:\d+: ", why)
            self.assertEqual(self.running.status()["generation"], generation, why)
            self.assertTrue(self.works(link, why.replace(" ", "-")), why)
        self.assertTrue(self.found(1999), "what was there is still there")

    def test_the_first_hundred_mistakes(self):
        self.run_edge(lines(10))
        self.file.write_text('{"domian": "x.example"}\n' * 5000)
        text = self.running.reload(check=False)["text"]
        told = [line for line in text.splitlines() if "domains.jsonl" in line]
        self.assertEqual(len(told), 100)
        self.assertIn(f"{self.file}:1: /domian: ", told[0])
        self.assertRegex(text, r"and 9900 more", "two mistakes a line")

    def test_never_half_of_a_file(self):
        """A writer replaces the content in place, again and again: what is loaded is one version, or nothing."""
        versions = [lines(4000, "One"), lines(4000, "Two")]
        self.run_edge(versions[0])
        stop = threading.Event()

        def rewrite():
            n = 0
            while not stop.wait(0.003):
                n += 1
                self.file.write_text(versions[n % 2])

        writer = threading.Thread(target=rewrite)
        writer.start()
        try:
            taken = 0
            for _ in range(25):
                taken += self.running.reload(check=False)["ok"]
                found = {company: (self.found(0, company), self.found(3999, company)) for company in ("One", "Two")}
                self.assertIn(found, ({"One": (True, True), "Two": (False, False)}, {"One": (False, False), "Two": (True, True)}))
        finally:
            stop.set()
            writer.join()
        self.assertTrue(self.running.reload()["ok"], "once it is left alone")

    def test_reloads_leave_nothing_behind(self):
        self.run_edge(lines(200))
        status = self.running.status()
        pids = [status["pid"]] + [w["pid"] for w in status["workers"]]

        def used():
            return [(len(os.listdir(f"/proc/{pid}/fd")), sum(1 for line in open(f"/proc/{pid}/maps") if "sipward-image" in line)) for pid in pids]

        def settled():
            return used() if all(maps == 1 for _, maps in used()) else None

        for i in range(10):
            self.running.reload()
        before = wait_for("old images to go", settled, 20)
        for i in range(RELOADS):
            self.file.write_text(lines(200, f"Carrier {i}"))
            self.assertTrue(self.running.reload()["ok"])
        self.assertEqual(wait_for("old images to go", settled, 20), before)
        self.assertTrue(self.found(7, f"Carrier {RELOADS - 1}"))
        self.assertEqual([w["pid"] for w in self.running.status()["workers"]], pids[1:], "nobody had to be replaced")

    def test_many_connections_are_judged_again(self):
        entries = [{"domain": "partner.example", "distinguished_name": PARTNER_DN}, {"domain": "stranger.example", "distinguished_name": "CN=sip.stranger.example,O=Stranger Ltd,C=GB"}]
        self.run_edge(lines(100), external_domains=entries, limits={"handshakes_per_source": 100})
        contexts = {name: tls_context(self.pki, name) for name in ("partner", "stranger")}
        kept = [connect_tls(self.tls_port, contexts["partner"]) for _ in range(CONNECTIONS // 10)]
        lost = [connect_tls(self.tls_port, contexts["stranger"]) for _ in range(CONNECTIONS)]
        count = lambda: sum(1 for c in self.running.ctl("connections")["connections"] if c["trusted"])  # noqa: E731
        wait_for("all connections", lambda: count() == len(kept) + len(lost), 30)
        self.running.reload(dict(self.running.config, external_domains=entries[:1]))
        wait_for("those to go that have lost their trust", lambda: count() == len(kept), 10)
        self.assertTrue(all(link.closed(3) for link in lost))
        for i, link in enumerate(kept):
            self.assertTrue(self.works(link, f"kept-{i}"))


if __name__ == "__main__":
    main()
