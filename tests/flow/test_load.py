#!/usr/bin/env python3
"""sipward-load against sipward: reloads and killed workers under load, memory over many messages."""
import copy
import json
import os
import pathlib
import signal
import subprocess

from harness import BUILD, Edge, FlowTest, STRANGER_DN, die_with_parent, main, wait_for


class Sink:
    """sipward-sink as the container."""

    def __init__(self):
        self.process = subprocess.Popen([str(BUILD / "sipward-sink"), "--listen", "127.0.0.1:0", "--count", "--expect-identity", "--forbid", "spoofed"],
                                        preexec_fn=die_with_parent, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline() or self.process.stderr.readline()
        self.port = int(line.rsplit(":", 1)[1])

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=10)


class Load(FlowTest):
    def begin(self):
        self.containers = [Sink()]
        self.running = Edge(self.run_dir, self.config(self.containers))
        self.running.start()
        self.tls_port = self.running.port()
        self.running.logged("event=container_up", 10)

    def load(self, *args):
        p = self.pki
        return subprocess.Popen([str(BUILD / "sipward-load"), "--connect", f"127.0.0.1:{self.tls_port}", "--cert", str(p.path("partner.pem")), "--key",
                                 str(p.path("partner.key")), "--ca", str(p.path("ca.pem")), "--header", "P-Asserted-Identity: <sip:spoofed@core.example>", *args],
                                preexec_fn=die_with_parent, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self, process, errors=False):
        out, err = process.communicate(timeout=120)
        if not errors:
            self.assertEqual(process.returncode, 0, out + err)
        return json.loads(out)

    def test_a_hundred_reloads_under_load(self):
        self.begin()
        process = self.load("--connections", "20", "--inflight", "4", "--rate", "2000", "--duration", "8")
        a = copy.deepcopy(self.running.config)
        b = copy.deepcopy(a)
        b["external_domains"].append({"domain": "stranger.example", "distinguished_name": STRANGER_DN, "protocol": "TLS", "host": "127.0.0.1", "port": 6062})
        for i in range(100):
            self.assertTrue(self.running.reload(b if i % 2 == 0 else a)["ok"])
        got = self.result(process)
        self.assertEqual((got["lost"], got["wrong"], got["errors"]), (0, 0, 0))
        self.assertGreater(got["received"], 5000)

    def test_a_killed_worker_costs_only_its_own(self):
        self.begin()
        process = self.load("--connections", "20", "--inflight", "2", "--rate", "500", "--duration", "4", "--allow-errors", "--reconnect")
        wait_for("traffic", lambda: self.running.status()["counters"]["requests_in"] > 200)
        victim = self.running.status()["workers"][0]["pid"]
        survivors = self.running.status()["workers"][1]["connections"]
        os.kill(victim, signal.SIGKILL)
        wait_for("replacement", lambda: self.running.status()["workers"][0]["pid"] not in (0, victim))
        self.assertGreaterEqual(self.running.status()["workers"][1]["connections"], survivors)
        got = self.result(process, errors=True)
        self.assertEqual(got["wrong"], 0)
        self.assertGreater(got["received"], 1000)

    def rss(self):
        kib = 0
        for w in self.running.status()["workers"]:
            status = pathlib.Path(f"/proc/{w['pid']}/status").read_text()
            kib += int(next(l for l in status.splitlines() if l.startswith("VmRSS")).split()[1])
        return kib

    def test_memory_is_flat(self):
        if b"__asan_init" in (BUILD / "sipward").read_bytes():
            self.skipTest("AddressSanitizer keeps what is freed for a while")
        self.begin()
        args = ("--connections", "10", "--inflight", "8", "--count", os.environ.get("SIPWARD_LOAD_COUNT", "20000"))
        self.result(self.load(*args))
        before = self.rss()
        for _ in range(3):
            self.result(self.load(*args))
        self.assertLess(self.rss() - before, 6144, "KiB more after three times as many messages again")


if __name__ == "__main__":
    main()
