#!/usr/bin/env python3
"""sipward-load and sipward-sink: alone, against answers that are wrong, and with sipward between them."""
import json
import signal
import subprocess

from harness import BUILD, Container, FlowTest, main, wait_for


class Sink:
    """A running sipward-sink on a port of its own."""

    def __init__(self, test, *args):
        self.process = subprocess.Popen([str(BUILD / "sipward-sink"), "--listen", "127.0.0.1:0", *args], stdout=subprocess.PIPE, text=True)
        test.addCleanup(self.kill)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def usr1(self):
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())

    def close(self):
        pass

    def end(self):
        """Exit code, and what it printed."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=20)
        return self.process.returncode, out


class LoadSink(FlowTest):
    def load(self, port, *args, code=0):
        done = subprocess.run([str(BUILD / "sipward-load"), "--connect", f"127.0.0.1:{port}", *map(str, args)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)
        return json.loads(done.stdout) if done.stdout else None

    def partner(self, name="partner"):
        p = self.pki.path
        return ["--ca", p("ca.pem"), "--sni", "edge.example", "--cert", p(name + ".pem"), "--key", p(name + ".key")]

    def clean(self, got, count):
        """Every request answered once, by 200."""
        self.assertEqual((got["sent"], got["received"], got["errors"]), (count, count, 0), got)
        self.assertEqual(got["status"], {"200": count})
        latency = [got["latency"][k] for k in ("min", "p50", "p90", "p99", "p999", "max")]
        self.assertEqual(latency, sorted(latency))
        self.assertGreater(latency[0], 0)

    def test_closed_loop(self):
        sink = Sink(self, "--count")
        self.clean(self.load(sink.port, "--plain", "--connections", 5, "--inflight", 7, "--count", 2000), 2000)
        self.clean(self.load(sink.port, "--plain", "--threads", 2, "--connections", 4, "--count", 1000, "--method", "MESSAGE", "--size", 3000), 1000)
        counts = sink.usr1()
        self.assertEqual((counts["requests"], counts["methods"]), (3000, {"OPTIONS": 2000, "MESSAGE": 1000}))
        self.assertEqual((counts["identity"], counts["bad"], counts["connections"]), ({"one": 0, "none": 3000, "more": 0}, 0, 9))
        code, out = sink.end()
        self.assertEqual((code, json.loads(out)["answers"]), (0, 3000))

    def test_fixed_rate(self):
        sink = Sink(self)
        self.clean(self.load(sink.port, "--plain", "--connections", 3, "--rate", 1000, "--duration", 0.5), 500)
        self.clean(self.load(sink.port, "--plain", "--connections", 3, "--rate", 1000, "--warmup", 0.2, "--count", 300), 300)
        self.assertEqual(sink.end(), (0, ""))

    def test_a_slow_answer_is_not_hidden(self):
        """One request in flight, 100 ms for an answer, but one due every 10 ms: what waits is late, and then unsent."""
        sink = Sink(self, "--delay", "100")
        got = self.load(sink.port, "--plain", "--rate", 100, "--inflight", 1, "--duration", 1, "--grace", 1, code=1)
        self.assertEqual(got["sent"] + got["unsent"], 100)
        self.assertEqual(got["received"] + got["lost"], got["sent"])
        self.assertGreater(got["unsent"], 50)
        self.assertGreater(got["latency"]["max"], 900e3)
        self.assertGreaterEqual(got["latency"]["min"], 100e3)
        sink.end()

    def test_calls(self):
        sink = Sink(self, "--count", "--ringing")
        got = self.load(sink.port, "--plain", "--connections", 3, "--calls", "--count", 100)
        self.assertEqual((got["calls_done"], got["acks"], got["provisional"], got["status"], got["errors"]), (100, 100, 200, {"200": 200}, 0))
        got = self.load(sink.port, "--plain", "--method", "INVITE", "--count", 10)
        self.assertEqual((got["acks"], got["received"]), (10, 10))
        self.assertEqual(json.loads(sink.end()[1])["methods"], {"INVITE": 110, "ACK": 110, "BYE": 100})

    def test_refusals(self):
        sink = Sink(self, "--status", "486", "--count")
        got = self.load(sink.port, "--plain", "--calls", "--count", 5, code=1)
        self.assertEqual((got["status"], got["unexpected"], got["acks"], got["calls_done"]), ({"486": 5}, 5, 5, 0))
        self.load(sink.port, "--plain", "--count", 5, "--expect", 486)
        self.load(sink.port, "--plain", "--count", 5, "--allow-errors")
        self.assertEqual(json.loads(sink.end()[1])["methods"], {"INVITE": 5, "ACK": 5, "OPTIONS": 10})

    def test_wrong_answers(self):
        """Answers that are not the right one: counted, and never taken for it."""
        def changed(old, new):
            return lambda msg: Container.reply(msg).replace(old, new, 1)

        def last_id(msg):
            value = msg.get("call-id")
            return changed(f"call-id: {value}", f"call-id: {value[:31]}{'0' if value[31] != '0' else '1'}{value[32:]}")(msg)

        answers = [
            ("twice", lambda msg: Container.reply(msg) * 2, 1, 0),
            ("another Call-ID", last_id, 1, 1),
            ("another method", changed(" OPTIONS", " MESSAGE"), 1, 1),
            ("another number", changed("cseq: 1 ", "cseq: 2 "), 1, 1),
            ("a request instead", lambda msg: "OPTIONS sip:a@b SIP/2.0\r\n" + Container.reply(msg).split("\r\n", 1)[1], 1, 1),
            ("nothing", lambda msg: None, 0, 1),
            ("no SIP", lambda msg: "HTTP/1.1 200 OK\n\n", 1, 1),
        ]
        container = Container()
        for why, answer, wrong, lost in answers:
            with self.subTest(why):
                container.answer = answer
                got = self.load(container.port, "--plain", "--count", 1, "--grace", 0.3, code=1)
                self.assertEqual((got["sent"], got["received"], got["wrong"], got["lost"]), (1, 1 - lost, wrong, lost), got)
        container.close()

    def test_a_closed_connection(self):
        container = Container()
        seen = []

        def once(msg):
            seen.append(msg)
            if len(seen) == 3:
                container.links[-1].sock.shutdown(2)
                return None
            return Container.reply(msg)

        container.answer = once
        got = self.load(container.port, "--plain", "--count", 10, "--grace", 0.3, code=1)
        self.assertEqual((got["received"], got["lost"], got["disconnects"], got["open"]), (2, 1, 1, 0))
        del seen[:]
        got = self.load(container.port, "--plain", "--count", 10, "--reconnect", code=1)
        self.assertEqual((got["received"], got["lost"], got["disconnects"], got["reconnects"], got["open"]), (9, 1, 1, 1, 1))
        container.close()
        got = self.load(container.port, "--plain", "--count", 10, code=1)
        self.assertEqual((got["sent"], got["handshakes"]["failures"]), (0, 1))

    def test_interrupted(self):
        sink = Sink(self)
        for sig in (signal.SIGTERM, signal.SIGINT):
            process = subprocess.Popen([str(BUILD / "sipward-load"), "--plain", "--connect", f"127.0.0.1:{sink.port}", "--rate", "100",
                                        "--duration", "60"], stdout=subprocess.PIPE, text=True)
            self.addCleanup(process.kill)
            links = f"/proc/{process.pid}/net/tcp"
            port = f"{sink.port:04X}"
            wait_for("the connection", lambda: any(f.split()[2].endswith(port) for f in open(links).readlines()[1:]))
            wait_for("a handler", lambda: int(next(l.split()[1] for l in open(f"/proc/{process.pid}/status") if l.startswith("SigCgt")), 16) & 0x4002 == 0x4002)
            process.send_signal(sig)
            out, _ = process.communicate(timeout=20)
            self.assertEqual((process.returncode, json.loads(out)["interrupted"]), (0, True))
        sink.end()

    def test_show(self):
        sink = Sink(self, "--show")
        self.load(sink.port, "--plain", "--count", 2, "--header", "X-Mark: here", "--method", "MESSAGE", "--size", 10)
        code, out = sink.end()
        raw = out.split("===== message ")
        self.assertEqual((code, len(raw)), (0, 3))
        self.assertIn("X-Mark: here", raw[1])
        self.assertIn("abcdefghij\n", raw[2])

    def test_sink_expects(self):
        for header, code in (("P-Preferred-Identity: <sip:a@b>", 0), ("P-Preferred-Identity: <sip:a@b>, <sip:c@d>", 1), ("X-Other: 1", 1)):
            sink = Sink(self, "--expect-identity")
            self.load(sink.port, "--plain", "--count", 3, "--header", header)
            self.assertEqual(sink.end()[0], code, header)
        sink = Sink(self, "--expect-identity", "--forbid", "@evil", "--count")
        self.load(sink.port, "--plain", "--count", 3, "--header", "P-Preferred-Identity: <sip:a@evil>")
        code, out = sink.end()
        self.assertEqual((code, json.loads(out)["forbidden"]), (1, 3))

    def test_usage(self):
        for args in (["--nonsense"], ["extra"], ["--plain", "--connections", "0"], ["--mode", "what"], ["--insecure", "--tls", "1.1"],
                     ["--plain", "--header", "no colon"], ["--connect", "nowhere", "--plain"], [], ["--plain", "--method", "A B"]):
            done = subprocess.run([str(BUILD / "sipward-load"), *args], capture_output=True, text=True, timeout=20)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)
            self.assertTrue(done.stderr, args)
        for args in (["--nonsense"], ["extra"], ["--status", "100"], ["--delay", "-1"], ["--forbid", ""]):
            done = subprocess.run([str(BUILD / "sipward-sink"), *args], capture_output=True, text=True, timeout=20)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)
        for name in ("sipward-load", "sipward-sink"):
            done = subprocess.run([str(BUILD / name), "--help"], capture_output=True, text=True, timeout=20)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("exit codes", done.stdout)

    def through_edge(self, *sink_args):
        sink = Sink(self, "--count", "--expect-identity", "--forbid", "spoofed", *sink_args)
        self.edge(config=self.config([sink]), containers=0)
        return sink

    def test_through_sipward(self):
        sink = self.through_edge("--ringing")
        spoof = ["--header", "P-Preferred-Identity: <sip:spoofed@core.example>", "--header", "p-asserted-identity: <sip:spoofed@core.example>"]
        for version in ("1.2", "1.3"):
            got = self.load(self.tls_port, *self.partner(), *spoof, "--tls", version, "--connections", 4, "--inflight", 4, "--count", 400)
            self.clean(got, 400)
            self.assertEqual((got["tls"], got["handshakes"]["count"]), ("TLSv" + version, 4))
        got = self.load(self.tls_port, *self.partner(), *spoof, "--calls", "--connections", 4, "--count", 50)
        self.assertEqual((got["calls_done"], got["acks"], got["errors"]), (50, 50, 0))
        code, out = sink.end()
        counts = json.loads(out)
        self.assertEqual((code, counts["methods"]), (0, {"OPTIONS": 800, "INVITE": 50, "ACK": 50, "BYE": 50}), out)
        self.assertEqual((counts["identity"], counts["forbidden"]), ({"one": 950, "none": 0, "more": 0}, 0))

    def test_handshakes(self):
        sink = self.through_edge()
        for version in ("1.2", "1.3"):
            got = self.load(self.tls_port, *self.partner(), "--tls", version, "--mode", "handshake", "--connections", 3, "--count", 30)
            self.assertEqual((got["handshakes"]["count"], got["handshakes"]["resumed"], got["errors"]), (30, 0, 0))
            got = self.load(self.tls_port, *self.partner(), "--tls", version, "--mode", "handshake", "--connections", 3, "--count", 60, "--resume")
            self.assertGreater(got["handshakes"]["resumed"], 0)
            got = self.load(self.tls_port, *self.partner("stranger"), "--tls", version, "--mode", "handshake", "--count", 5, code=1)
            self.assertEqual((got["handshakes"]["count"], got["handshakes"]["failures"]), (0, 5))
        got = self.load(self.tls_port, *self.partner(), "--mode", "idle", "--connections", 20, "--duration", 0.5, "--ping-interval", 0.2)
        self.assertEqual((got["open"], got["errors"], got["pongs"] > 0), (20, 0, True))
        got = self.load(self.tls_port, "--ca", self.pki.path("partner.pem"), "--count", 1, code=1)
        self.assertEqual(got["handshakes"]["failures"], 1)
        self.assertEqual(json.loads(sink.end()[1])["requests"], 0)


if __name__ == "__main__":
    main()
