#!/usr/bin/env python3
"""Signals, supervision, drain: real processes killed."""
import os
import pathlib
import signal
import time

from harness import FlowTest, main, request, wait_for, Container


class Processes(FlowTest):
    def pids(self):
        return [w["pid"] for w in self.running.status()["workers"]]

    def ask(self, link, call_id):
        link.send(request(call_id=call_id))
        answer = link.recv()
        return answer and answer.status

    def test_a_killed_worker_is_replaced(self):
        self.edge()
        links = [self.peer() for _ in range(16)]
        for i, link in enumerate(links):
            self.assertEqual(self.ask(link, f"k{i}"), 200)
        victim = self.pids()[0]
        os.kill(victim, signal.SIGKILL)
        wait_for("a new connection", lambda: self.taken("after"))
        wait_for("replacement", lambda: self.pids()[0] not in (0, victim))
        alive = [l for l in links if not self.ended(l)]
        self.assertGreater(len(alive), 0, "the other worker's connections stay")
        for i, l in enumerate(alive):
            self.assertEqual(self.ask(l, f"alive{i}"), 200)
        for i in range(16):
            self.assertEqual(self.ask(self.peer(), f"new{i}"), 200)

    def taken(self, call_id):
        try:
            return self.ask(self.peer(), call_id) == 200
        except OSError:  # the dying worker's ring had taken it: that one is lost with it
            return False

    @staticmethod
    def ended(link):
        try:
            link.sock.settimeout(0.2)
            return link.sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def test_replacement_has_the_running_generation(self):
        self.edge()
        self.running.reload()
        generation = self.running.status()["generation"]
        self.running.file.write_text("not JSON")
        os.kill(self.pids()[1], signal.SIGKILL)
        wait_for("replacement", lambda: self.running.status()["workers"][1]["restarts"] == 1)
        wait_for("generation", lambda: self.running.status()["workers"][1]["generation"] == generation)
        for i in range(8):
            self.assertEqual(self.ask(self.peer(), f"g{i}"), 200)

    def test_a_dead_admin_stops_no_call(self):
        self.edge()
        link = self.peer()
        children = pathlib.Path(f"/proc/{self.running.process.pid}/task/{self.running.process.pid}/children").read_text().split()
        admin = next(int(p) for p in children if "admin" in pathlib.Path(f"/proc/{p}/cmdline").read_text())
        os.kill(admin, signal.SIGKILL)
        self.assertEqual(self.ask(link, "a1"), 200)
        wait_for("admin", lambda: self.running.ctl("status", check=False).get("ok"))

    def test_term_stops_within_a_second(self):
        self.edge()
        link = self.peer()
        self.ask(link, "t1")
        start = time.monotonic()
        self.assertEqual(self.running.stop(signal.SIGTERM, 5), 0)
        self.assertLess(time.monotonic() - start, 4.0)  # one second and the slack of a busy machine
        self.assertTrue(link.closed())

    def test_quit_drains(self):
        self.edge()
        held = []
        self.container.answer = lambda msg: held.append(msg)
        link, idle = self.peer(), self.peer()
        link.send(request(call_id="slow"))
        self.container.find("slow")
        self.running.process.send_signal(signal.SIGQUIT)
        self.assertTrue(idle.closed(5), "an idle connection ends at once")
        link.send(request("INVITE", call_id="late", branch="z9hG4bKlate"))
        answer = link.recv()
        self.assertEqual((answer.status, answer.get("call-id")), (503, "late"))
        self.assertIsNone(self.running.process.poll())
        self.container.links[0].send(Container.reply(held[0])) if len(self.container.links) == 1 else \
            [l.send(Container.reply(held[0])) for l in self.container.links]
        self.assertEqual(link.recv().status, 200)
        self.assertEqual(self.running.process.wait(10), 0)

    def test_titles(self):
        self.edge()
        self.assertIn("sipward: worker 0", pathlib.Path(f"/proc/{self.pids()[0]}/cmdline").read_text().replace("\0", " "))
        self.assertIn("sipward: master", pathlib.Path(f"/proc/{self.running.process.pid}/cmdline").read_text().replace("\0", " "))

    def test_usr1_reopens_the_log(self):
        log = self.run_dir / "events.log"
        self.edge()
        cfg = dict(self.running.config, log={"to": str(log)})
        self.running.stop()
        self.running.write(cfg)
        self.running.start()
        self.tls_port = self.running.port()
        self.ask(self.peer(), "u1")
        wait_for("log", lambda: "connection_accepted" in log.read_text())
        log.rename(self.run_dir / "events.log.1")
        self.running.process.send_signal(signal.SIGUSR1)
        wait_for("new log", log.exists)
        self.ask(self.peer(), "u2")
        wait_for("log", lambda: "connection_accepted" in log.read_text())


if __name__ == "__main__":
    main()
