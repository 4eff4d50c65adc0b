#!/usr/bin/env python3
"""The admin process over HTTP: metrics, health, the status page, and that it can do no harm."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

from harness import FlowTest, free_port, main, request, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+-]+|\+Inf|NaN)')


def parse(text):
    """{name: (type, help, {labels: value})}; whatever is not Prometheus' format raises."""
    families, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, current, sentence = line.split(" ", 3)
            assert current not in families, f"{current} twice"
            families[current] = [None, sentence, {}]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "histogram"), line
            families[name][0] = kind
        else:
            m = SAMPLE.fullmatch(line)
            assert m, line
            base = re.sub("_(bucket|sum|count)$", "", m[1]) if families[current][0] == "histogram" else m[1]
            assert base == current, line
            key = (m[1], m[2] or "")
            assert key not in families[current][2], f"{key} twice"
            families[current][2][key] = float(m[3])
    return families


class Http(FlowTest):
    def begin(self, **changes):
        self.http = free_port()
        return self.edge(admin={"host": "127.0.0.1", "port": self.http, **changes.pop("admin", {})}, **changes)

    def get(self, path, method="GET", body=None, source="127.0.0.1"):
        c = http.client.HTTPConnection("127.0.0.1", self.http, timeout=5, source_address=(source, 0))
        try:
            c.request(method, path, body)
            answer = c.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            c.close()

    def metrics(self):
        return parse(self.get("/metrics")[1])

    def total(self, name, **labels):
        want = {f'{k}="{v}"' for k, v in labels.items()}
        return sum(v for (n, have), v in self.metrics()[name][2].items() if n == name and want <= set(have.split(",")))

    def test_metrics_are_in_order(self):
        self.begin()
        status, text, headers = self.get("/metrics")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        for name, (kind, sentence, samples) in parse(text).items():
            self.assertTrue(name.startswith("sipward_"), name)
            self.assertTrue(sentence and not sentence.endswith("."), name)
            self.assertEqual(name.endswith("_total"), kind == "counter", name)
            self.assertTrue(samples or name == "sipward_certificate_expiry_seconds", name)
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_what_is_shipped_names_metrics_that_exist(self):
        self.begin()
        known = {n for _, (_, _, samples) in self.metrics().items() for n, _ in samples}
        for file in ("config/grafana.json", "config/alerts.yml"):
            text = (ROOT / file).read_text()
            names = set(re.findall(r"\bsipward_[a-z_]+", text))
            self.assertGreater(len(names), 8, file)
            self.assertEqual(names - known, set(), file)
        json.loads((ROOT / "config/grafana.json").read_text())

    def test_counts_what_happens(self):
        self.begin()
        link = self.peer()
        for i in range(5):
            link.send(request(call_id=f"m{i}"))
            self.assertEqual(link.recv().status, 200)
        wait_for("the counters", lambda: self.total("sipward_requests_received_total") == 5)
        self.assertEqual(self.total("sipward_requests_forwarded_total"), 5)
        latency = self.metrics()["sipward_forwarding_seconds"][2]
        count = latency["sipward_forwarding_seconds_count", ""]
        self.assertGreaterEqual(count, 10, "requests and answers")
        self.assertEqual(latency["sipward_forwarding_seconds_bucket", 'le="+Inf"'], count)
        edges = [v for (n, _), v in latency.items() if n.endswith("_bucket")]
        self.assertEqual(edges, sorted(edges))
        self.assertTrue(self.peer("stranger").closed())
        wait_for("the refusal", lambda: self.total("sipward_peer_verdicts_total", reason="dn_unknown") == 1)

    def test_health_and_readiness(self):
        edge = self.begin()
        wait_for("ready", lambda: self.get("/readyz")[0] == 200)
        self.assertEqual(self.get("/healthz")[:2], (200, "ok\n"))
        self.container.close()
        wait_for("not ready", lambda: self.get("/readyz")[:2] == (503, "not ready: no container is up\n"))
        self.assertEqual(self.metrics()["sipward_ready"][2]["sipward_ready", ""], 0)
        self.assertEqual(self.get("/healthz")[0], 200)
        edge.stop()

    def test_not_ready_while_draining(self):
        edge = self.begin(drain_timeout=5)
        wait_for("ready", lambda: self.get("/readyz")[0] == 200)
        link = self.peer()
        self.container.answer = lambda msg: None
        link.send(request("INVITE", call_id="long"))
        self.container.find("long")
        edge.process.send_signal(signal.SIGQUIT)
        try:
            wait_for("draining", lambda: self.get("/readyz")[:2] == (503, "not ready: draining\n"), 3)
        except OSError:
            self.skipTest("it had ended before it was asked")

    def test_status_page(self):
        self.begin()
        link = self.peer()
        link.send(request(call_id="p"))
        self.assertEqual(link.recv().status, 200)
        status, text, headers = self.get("/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertNotRegex(text, r'(src|href)="(https?:)?//', "self-contained")
        got = wait_for("the domain", lambda: (lambda s: s if s["connected"] and s["ready"] else None)(json.loads(self.get("/status.json")[1])))
        self.assertEqual(got["connected"]["partner.example"]["connections"], 1)
        self.assertGreater(got["connected"]["partner.example"]["not_after"], 0)
        self.assertEqual({c["kind"] for c in got["certificates"]}, {"own", "trust"})

    def test_search(self):
        self.begin()
        found = json.loads(self.get("/domains.json?q=PARTNER")[1])
        self.assertEqual([d["domain"] for d in found["domains"]], ["partner.example"])
        self.assertEqual(json.loads(self.get("/domains.json?q=nobody")[1])["domains"], [])
        found = json.loads(self.get("/domains.json?q=CN%3Dsip.partner.example%2CO%3DPartner%20Ltd%2CC%3DDE")[1])
        self.assertFalse(found["found"])
        self.assertIn("O", found["difference"])
        self.assertFalse(json.loads(self.get("/domains.json?q=%3D%00%ff")[1])["ok"])

    def test_takes_nothing_else(self):
        self.begin()
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            status, _, headers = self.get("/metrics", method, b"x" * 100000 if method != "DELETE" else None)
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), method)
        self.assertEqual(self.get("/../etc/passwd")[0], 404)
        status, text, headers = self.get("/metrics", "HEAD")
        self.assertEqual((status, text), (200, ""))
        for rubbish in (b"\x00" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 100000):
            with socket.create_connection(("127.0.0.1", self.http), timeout=5) as s:
                try:
                    s.sendall(rubbish)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass
                except OSError:
                    pass
        self.assertEqual(self.get("/healthz")[0], 200)

    def test_no_other_name_leads_here(self):
        self.begin()
        c = http.client.HTTPConnection("127.0.0.1", self.http, timeout=5)
        for host, status in (("evil.example", 421), ("localhost:1", 200), ("[::1]", 200), ("127.0.0.1.evil.example", 421)):
            c.request("GET", "/status.json", headers={"Host": host})
            answer = c.getresponse()
            answer.read()
            self.assertEqual(answer.status, status, host)
        c.close()

    def test_only_who_is_allowed(self):
        self.begin(admin={"allow": ["127.0.0.7/32"]})
        self.assertEqual(self.get("/healthz", source="127.0.0.7")[0], 200)
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.get("/healthz")

    def test_calls_go_on_when_it_is_killed(self):
        edge = self.begin()
        link = self.peer()
        pid = int(subprocess.run(["pgrep", "-P", str(edge.process.pid), "-f", "^sipward: admin"], capture_output=True, text=True).stdout)
        os.kill(pid, signal.SIGKILL)
        for i in range(20):
            link.send(request(call_id=f"k{i}"))
            self.assertEqual(link.recv().status, 200)

        def back():
            try:
                return self.get("/healthz")[0] == 200
            except OSError:
                return False
        wait_for("a new one", back)
        wait_for("what was counted before", lambda: self.total("sipward_requests_received_total") == 20)

    def test_stalled_clients_are_no_burden(self):
        self.begin()
        stalled = [socket.create_connection(("127.0.0.1", self.http), timeout=5) for _ in range(40)]
        for s in stalled:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        self.assertEqual(self.get("/healthz")[0], 200)
        for s in stalled:
            s.close()


main()
