#!/usr/bin/env python3
"""Reload in place: all or nothing, nothing lost, trust judged again."""
import copy
import signal
import threading

from harness import FlowTest, main, request, wait_for, STRANGER_DN


class Reload(FlowTest):
    def with_stranger(self):
        cfg = copy.deepcopy(self.running.config)
        cfg["external_domains"].append({"domain": "stranger.example", "distinguished_name": STRANGER_DN, "protocol": "TLS",
                                        "host": "127.0.0.1", "port": 6062})
        return cfg

    def works(self, link, call_id, from_="sip:alice@partner.example"):
        link.send(request(call_id=call_id, from_=from_))
        return link.recv().status == 200

    def test_a_name_is_added_and_removed(self):
        self.edge()
        before = copy.deepcopy(self.running.config)
        old = self.peer()
        self.assertTrue(self.works(old, "r1"))
        self.running.reload(self.with_stranger())
        new = self.peer("stranger")
        self.assertTrue(self.works(new, "r2", "sip:x@stranger.example"))
        self.assertTrue(self.works(old, "r3"), "an open connection goes on")
        self.running.reload(before)
        self.assertTrue(new.closed(3), "a connection that lost its trust ends within a second or so")
        self.assertTrue(self.works(old, "r4"))
        self.running.logged("event=trust_lost .*reason=dn_unknown")

    def test_a_broken_file_changes_nothing(self):
        self.edge()
        link = self.peer()
        good = self.running.file.read_text()
        generation = self.running.status()["generation"]
        for bad in ("{", good.replace('"workers"', '"wokrers"'), good.replace("CN=sip.partner", "CN"), ""):
            self.running.file.write_text(bad)
            answer = self.running.reload(check=False)
            self.assertFalse(answer["ok"])
            self.assertTrue(self.works(link, f"b{len(bad)}"))
            self.assertEqual(self.running.status()["generation"], generation)
            self.assertFalse(self.running.status()["last_reload"]["ok"])
        self.running.file.write_text(good)
        self.assertTrue(self.running.reload()["ok"])

    def test_workers_need_a_restart(self):
        self.edge()
        cfg = copy.deepcopy(self.running.config)
        cfg["workers"] = 1
        answer = self.running.reload(cfg, check=False)
        self.assertFalse(answer["ok"])
        self.assertIn("restart", answer["text"])

    def test_hup_reloads(self):
        self.edge()
        generation = self.running.status()["generation"]
        self.running.write(self.with_stranger())
        self.running.process.send_signal(signal.SIGHUP)
        wait_for("reload", lambda: self.running.status()["generation"] > generation)
        self.assertTrue(self.works(self.peer("stranger"), "h1", "sip:x@stranger.example"))

    def test_listeners_come_and_go(self):
        self.edge()
        link = self.peer()
        cfg = copy.deepcopy(self.running.config)
        cfg["listeners"].append({"side": "external", "protocol": "TCP", "host": "127.0.0.1", "port": 0})
        self.running.reload(cfg)
        import socket
        from harness import Link
        port = self.running.port(protocol="TCP")
        plain = Link(socket.create_connection(("127.0.0.1", port)))
        self.assertTrue(self.works(plain, "plain"))
        self.assertEqual(self.container.find("plain").all("p-preferred-identity"), [])
        cfg["listeners"].pop()
        self.running.reload(cfg)
        self.assertTrue(self.works(plain, "plain2"), "connections of a removed listener stay")
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
        self.assertTrue(self.works(link, "l2"))

    def test_a_hundred_reloads_lose_nothing(self):
        self.edge()
        stop, errors, done = threading.Event(), [], [0]

        def traffic(n):
            link, i = self.peer(), 0
            while not stop.is_set():
                i += 1
                link.send(request(call_id=f"t{n}-{i}", branch=f"z9hG4bK{n}x{i}"))
                answer = link.recv(10)
                if answer is None or answer.status != 200 or answer.get("call-id") != f"t{n}-{i}":
                    errors.append((n, i, answer and answer.start))
                    return
            done[0] += i

        threads = [threading.Thread(target=traffic, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        a, b = copy.deepcopy(self.running.config), self.with_stranger()
        for i in range(100):
            self.assertTrue(self.running.reload(b if i % 2 == 0 else a)["ok"])
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(errors, [])
        self.assertGreater(done[0], 100)


if __name__ == "__main__":
    main()
