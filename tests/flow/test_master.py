#!/usr/bin/env python3
"""The master alone: sipward-fake is sipward with children that only talk with the master (support/fake_children.c)."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from harness import BUILD, main, wait_for

PROGRAM = BUILD / "tests" / "sipward-fake"


class Master:
    """A running sipward-fake; what its children do is said by files."""

    def __init__(self, folder, workers=2, listeners=1, **changes):
        self.dir = folder
        self.file = folder / "sipward.json"
        self.log = folder / "log"
        self.control = folder / "run" / "control.sock"
        self.config = {
            "workers": workers,
            "control_socket": str(self.control),
            "pid_file": str(folder / "pid"),
            "listeners": [self.listener() for _ in range(listeners)],
            "local_domains": ["core.example"],
            "clusters": {"main": {"servers": [{"host": "127.0.0.1", "port": 9, "protocol": "TCP"}]}},
            "default_cluster": "main",
            "drain_timeout": 5,
        }
        self.config.update(changes)
        self.write()
        self.process = None

    @staticmethod
    def listener(port=0, side="external", host="127.0.0.1"):
        return {"side": side, "protocol": "TCP", "host": host, "port": port}

    def write(self, **changes):
        self.config.update(changes)
        self.file.write_text(json.dumps(self.config, indent=1))

    def fake(self, step, who, what):
        (self.dir / f"{step}-{who}").write_text(what)

    def nice(self, step, who):
        (self.dir / f"{step}-{who}").unlink()

    def launch(self):
        env = dict(os.environ, FAKE_DIR=str(self.dir))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(PROGRAM), "-c", str(self.file)], stderr=log, env=env)

    def start(self):
        self.launch()
        self.logged("event=started")
        return self

    def text(self):
        return self.log.read_text(errors="replace")

    def logged(self, pattern, count=1, seconds=20):
        def look():
            if self.process.poll() is not None and len(re.findall(pattern, self.text())) < count:
                raise AssertionError(f"ended with {self.process.returncode}: {self.text()[-3000:]}")
            return len(re.findall(pattern, self.text())) >= count
        wait_for(f"{pattern!r} in the log", look, seconds)

    def operator(self, letter):
        """One letter to the fake admin; everything that it answers."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(str(self.control))
            s.sendall(letter.encode())
            out = b""
            while data := s.recv(65536):
                out += data
            return out.decode()

    def state(self):
        words = self.operator("t").split("\n", 1)
        f = words[0].split()
        state = {"generation": int(f[1]), "reloads": int(f[3]), "failed": int(f[5]), "ok": f[7] == "1", "draining": f[9] == "1",
                 "text": words[1]}
        rest = f[10:]
        state["workers"] = [{"pid": int(rest[i + 1]), "restarts": int(rest[i + 2]), "generation": int(rest[i + 3])}
                            for i in range(0, len(rest), 4)]
        return state

    def ports(self):
        """Bound port of each listener, in order."""
        ports = {}
        for line in self.operator("p").splitlines():
            listener, _, port = (int(x) for x in line.split())
            ports.setdefault(listener, set()).add(port)
        return [ports[i].pop() for i in sorted(ports)]

    def reload(self, **changes):
        self.write(**changes)
        return self.operator("r")

    def children(self):
        """pid by title."""
        pids = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in pids:
            try:
                found[pathlib.Path(f"/proc/{pid}/cmdline").read_text().strip("\0")] = int(pid)
            except OSError:
                pass
        return found

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self, sig=signal.SIGTERM, seconds=10):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def ask(port, seconds=5.0, host="127.0.0.1"):
    """Who serves a new connection?  None: it was closed without a word."""
    with socket.create_connection((host, port), timeout=seconds) as s:
        s.settimeout(seconds)
        out = b""
        while data := s.recv(4096):
            out += data
    if not out:
        return None
    m = re.match(rb"worker (\d+) generation (\d+) incarnation (\w+) sockets (\d+)", out)
    return {"worker": int(m[1]), "generation": int(m[2]), "incarnation": m[3], "sockets": int(m[4])}


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sipward-master-"))
        os.chmod(self.dir, 0o755)
        self.running = None

    def master(self, **kw):
        self.running = Master(self.dir, **kw)
        return self.running

    def tearDown(self):
        try:
            if self.running and self.running.process:
                left = list(self.running.children().values()) if self.running.process.poll() is None else []
                self.running.end()
                for pid in left:
                    self.assertFalse(pathlib.Path(f"/proc/{pid}").exists(), "no child outlives the master")
                self.assertNotIn("Sanitizer", self.running.text())
                self.assertNotIn("runtime error", self.running.text())
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def fails(self, m, code, pattern):
        m.launch()
        self.assertEqual(m.process.wait(30), code, m.text())
        self.assertRegex(m.text(), pattern)


class Start(Case):
    def test_titles_pid_file_and_answers(self):
        m = self.master().start()
        self.assertEqual((self.dir / "pid").read_text(), f"{m.process.pid}\n")
        self.assertEqual(sorted(m.children()), ["sipward: admin", "sipward: resolver", "sipward: worker 0", "sipward: worker 1"])
        self.assertEqual(pathlib.Path(f"/proc/{m.process.pid}/cmdline").read_text().strip("\0"), "sipward: master")
        port = m.ports()[0]
        answers = [ask(port) for _ in range(40)]
        self.assertEqual({a["worker"] for a in answers}, {0, 1}, "both workers share the port")
        self.assertEqual(len({a["incarnation"] for a in answers}), 2)
        self.assertEqual({w["pid"] for w in m.state()["workers"]},
                         {p for t, p in m.children().items() if "worker" in t})
        self.assertEqual(m.end(), 0)
        self.assertFalse((self.dir / "pid").exists())
        self.assertFalse(m.control.exists())

    def test_children_have_only_their_descriptors(self):
        m = self.master().start()
        for title, pid in m.children().items():
            links = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
            text = " ".join(links)
            self.assertNotIn("signalfd", text, title)
            self.assertNotIn("/pid", text.replace("/proc", ""), title)
            self.assertNotIn("sipward-counters", text, title)
            sockets = sum(l.startswith("socket:") for l in links)
            # workers: channels to master and resolver, both listening sockets; admin: channel and control socket;
            # resolver: channels to the master and both workers
            self.assertEqual(sockets, 2 if "admin" in title else 3 if "resolver" in title else 4, links)


    def test_a_second_one_is_refused(self):
        m = self.master().start()
        other = subprocess.run([str(PROGRAM), "-c", str(m.file)], capture_output=True, text=True, timeout=30,
                               env=dict(os.environ, FAKE_DIR=str(self.dir)))
        self.assertEqual(other.returncode, 1)
        self.assertIn(f"another sipward (pid {m.process.pid})", other.stderr)
        self.assertTrue(m.control.exists())
        self.assertEqual(m.state()["generation"], 1)

    def test_a_port_in_use_is_an_error(self):
        for share in (False, True):
            with self.subTest(share=share), socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if share:  # the kernel alone would let us in
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                s.bind(("127.0.0.1", 0))
                s.listen()
                port = s.getsockname()[1]
                m = self.master()
                m.write(listeners=[m.listener(port)])
                self.fails(m, 1, rf"cannot listen on 127.0.0.1:{port}: Address already in use")

    def test_ipv6_beside_ipv4(self):
        m = self.master()
        m.write(listeners=[m.listener(), m.listener(host="::1")])
        m.start()
        v4, v6 = m.ports()
        self.assertIn(ask(v4)["worker"], (0, 1))
        self.assertIn(ask(v6, host="::1")["worker"], (0, 1))

    def test_a_child_that_refuses_ends_the_start(self):
        for who, what in (("1", "refuse"), ("admin", "refuse"), ("resolver", "refuse")):
            with self.subTest(who=who):
                m = self.master()
                m.fake("start", who, what)
                self.fails(m, 1, r"cannot start: the fake refuses")
                m.nice("start", who)

    def test_a_child_that_dies_ends_the_start(self):
        m = self.master()
        m.fake("start", "0", "die")
        self.fails(m, 1, r"worker 0 cannot start: it was ended by signal 6")
        self.assertFalse((self.dir / "pid").exists())

    def test_a_bad_configuration(self):
        m = self.master()
        m.file.write_text("not JSON")
        self.fails(m, 78, r"sipward\.json:1: ")
        self.assertFalse((self.dir / "pid").exists())

    def test_a_user_that_does_not_exist(self):
        self.fails(self.master(user="no-such-user"), 78, r'/user: .*"?no-such-user"?')

    def test_more_connections_than_files(self):
        self.fails(self.master(limits={"connections": 1000000}), 78, r"limits/connections: ")

    def test_a_control_socket_that_cannot_be_made(self):
        m = self.master(control_socket=str(self.dir / "none" / "none" / "control.sock"))
        self.fails(m, 1, r"cannot make the control socket .*No such file")

    def test_a_left_over_control_socket_is_replaced_but_no_file(self):
        m = self.master()
        m.control.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(m.control))
        m.start()
        self.assertEqual(m.state()["generation"], 1)
        self.assertEqual(os.stat(m.control).st_mode & 0o777, 0o600)
        self.assertEqual(m.end(), 0)
        m.control.write_text("mine")
        m.log.write_text("")
        self.fails(m, 1, r"cannot make the control socket")
        self.assertEqual(m.control.read_text(), "mine")

    def test_two_listeners_at_one_place(self):
        m = self.master()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        m.write(listeners=[m.listener(port), m.listener(port)])
        m.launch()
        self.assertIn(m.process.wait(30), (1, 78))


class Supervise(Case):
    def test_a_killed_worker_is_replaced(self):
        m = self.master().start()
        port = m.ports()[0]
        before = m.state()["workers"]
        os.kill(before[0]["pid"], signal.SIGKILL)
        lost = [ask(port) for _ in range(20)].count(None)
        self.assertLessEqual(lost, 1, "the sockets live on: only what it had just accepted may go with it")
        after = wait_for("replacement", lambda: (w := m.state()["workers"])[0]["pid"] not in (0, before[0]["pid"]) and w)
        self.assertEqual((after[0]["restarts"], after[1]["restarts"]), (1, 0))
        self.assertEqual(after[1]["pid"], before[1]["pid"])
        self.assertEqual({ask(port)["worker"] for _ in range(40)}, {0, 1})

    def test_a_killed_admin_is_replaced(self):
        m = self.master().start()
        pid = m.children()["sipward: admin"]
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(len(m.state()["workers"]), 2)
        self.assertNotEqual(m.children()["sipward: admin"], pid)

    def test_a_killed_resolver_is_replaced(self):
        m = self.master().start()
        pid = m.children()["sipward: resolver"]
        os.kill(pid, signal.SIGKILL)
        wait_for("its replacement", lambda: m.children().get("sipward: resolver", pid) != pid)
        self.assertEqual([w["restarts"] for w in m.state()["workers"]], [0, 0])

    def test_a_slow_one_is_adopted(self):
        m = self.master().start()
        port = m.ports()[0]
        m.fake("start", "0", "slow 3000")
        os.kill(m.state()["workers"][0]["pid"], signal.SIGKILL)
        for _ in range(20):
            self.assertEqual(ask(port, 2.5)["worker"], 1, "the other one accepts in its place")
        m.logged("event=worker_slow")
        m.nice("start", "0")
        m.logged("worker 0 runs", 2)
        wait_for("worker 0 to answer", lambda: ask(port)["worker"] == 0)
        # given back: each socket has one worker again
        self.assertEqual({ask(port)["worker"] for _ in range(40)}, {0, 1})

    def test_the_adopter_dies_too(self):
        m = self.master(workers=3).start()
        port = m.ports()[0]
        m.fake("start", "0", "slow 4000")
        m.fake("start", "1", "slow 4000")
        pids = [w["pid"] for w in m.state()["workers"]]
        os.kill(pids[0], signal.SIGKILL)
        m.logged("worker 1 accepts in its place")
        os.kill(pids[1], signal.SIGKILL)
        m.logged("worker 2 accepts in its place", 2)
        for _ in range(20):
            self.assertEqual(ask(port, 3)["worker"], 2)

    def test_crash_loops_back_off(self):
        m = self.master().start()
        m.fake("start", "0", "die")
        os.kill(m.state()["workers"][0]["pid"], signal.SIGKILL)
        m.logged("event=worker_died", 6)
        deaths = len(re.findall("event=worker_died", m.text()))
        time.sleep(0.5)  # the wait is 0.8 s by now: at once it would be hundreds
        self.assertLess(len(re.findall("event=worker_died", m.text())) - deaths, 3)
        self.assertEqual(ask(m.ports()[0])["worker"], 1)
        m.nice("start", "0")
        m.logged("worker 0 runs", 2)

    def test_replacement_gets_the_generation_not_the_file(self):
        m = self.master().start()
        self.assertTrue(m.reload().startswith("ok"))
        generation = m.state()["generation"]
        m.file.write_text("broken")
        os.kill(m.state()["workers"][1]["pid"], signal.SIGKILL)
        wait_for("generation", lambda: m.state()["workers"][1] and m.state()["workers"][1]["restarts"] == 1)
        m.logged("worker 1 runs", 2)
        self.assertEqual({ask(m.ports()[0])["generation"] for _ in range(40)}, {generation})


class Reload(Case):
    def assert_unchanged(self, m, port, why):
        answer = m.operator("r")
        self.assertTrue(answer.startswith("failed"), answer)
        self.assertRegex(answer, why)
        state = m.state()
        self.assertEqual((state["generation"], state["ok"], state["failed"]), (1, False, 1))
        self.assertRegex(state["text"], why)
        self.assertEqual({ask(port)["generation"] for _ in range(10)}, {1})

    def test_hup_good_then_bad(self):
        m = self.master().start()
        m.process.send_signal(signal.SIGHUP)
        m.logged("event=reload_done")
        state = m.state()
        self.assertEqual((state["generation"], state["reloads"], state["ok"]), (2, 1, True))
        self.assertEqual({w["generation"] for w in state["workers"]}, {2})
        m.file.write_text("broken")
        m.process.send_signal(signal.SIGHUP)
        m.logged("event=reload_failed")
        m.logged("event=config_error")
        state = m.state()
        self.assertEqual((state["generation"], state["reloads"], state["failed"], state["ok"]), (2, 1, 1, False))

    def test_what_needs_a_restart(self):
        m = self.master().start()
        good = dict(m.config)
        for key, value in (("workers", 3), ("pid_file", str(self.dir / "other")), ("control_socket", str(self.dir / "other")),
                           ("user", "root")):
            with self.subTest(key=key):
                answer = m.reload(**{key: value})
                self.assertTrue(answer.startswith("failed"))
                self.assertRegex(answer, rf"/{key}: .*restart")
                m.config = dict(good)
        self.assertTrue(m.reload().startswith("ok"))

    def test_listeners_come_and_go(self):
        m = self.master().start()
        first = m.ports()[0]
        keep = m.listener()
        self.assertTrue(m.reload(listeners=[m.listener(side="internal"), keep]).startswith("ok"))
        second, same = m.ports()
        self.assertEqual(same, first, "a listener that stays keeps its port and sockets")
        self.assertEqual({ask(second)["worker"] for _ in range(40)}, {0, 1})
        self.assertEqual(ask(first)["sockets"], 4)
        self.assertTrue(m.reload(listeners=[keep]).startswith("ok"))
        with self.assertRaises(ConnectionRefusedError):
            ask(second)
        self.assertEqual(ask(first)["sockets"], 2)

    def test_a_port_changes_its_side(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        m = self.master()
        m.write(listeners=[m.listener(), m.listener(port)])
        m.start()
        answer = m.reload(listeners=[m.listener(), m.listener(port, side="internal")])
        self.assertTrue(answer.startswith("ok"), answer)
        self.assertEqual({ask(port)["generation"] for _ in range(40)}, {2})

    def test_more_sockets_than_one_message_holds(self):
        m = self.master(workers=4).start()
        self.assertTrue(m.reload(listeners=[m.listener() for _ in range(15)]).startswith("ok"))
        self.assertEqual(ask(m.ports()[14])["sockets"], 60)

    def test_a_port_in_use_cancels(self):
        m = self.master().start()
        port = m.ports()[0]
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            m.write(listeners=[m.listener(), m.listener(s.getsockname()[1])])
            self.assert_unchanged(m, port, "Address already in use")

    def test_a_refusal_cancels(self):
        for who in ("1", "admin", "resolver"):
            with self.subTest(who=who):
                m = self.master().start()
                m.fake("prepare", who, "refuse")
                m.write(listeners=[m.listener(), m.listener()])
                self.assert_unchanged(m, m.ports()[0], "the fake refuses")
                m.nice("prepare", who)
                self.assertTrue(m.operator("r").startswith("ok"))
                self.assertEqual(len(m.ports()), 2)
                self.assertEqual(m.end(), 0)
                m.log.write_text("")

    def test_a_death_cancels(self):
        m = self.master().start()
        m.fake("prepare", "1", "die")
        self.assert_unchanged(m, m.ports()[0], "worker 1 has died")
        m.nice("prepare", "1")
        m.logged("worker 1 runs", 2)
        self.assertTrue(m.operator("r").startswith("ok"))

    def test_silence_cancels(self):
        m = self.master().start()
        m.fake("prepare", "0", "silent")
        self.assert_unchanged(m, m.ports()[0], "worker 0 did not get ready")

    def test_a_death_after_commit_does_not(self):
        m = self.master().start()
        m.fake("commit", "1", "die")
        self.assertTrue(m.operator("r").startswith("ok"))
        m.logged("worker 1 runs", 2)
        self.assertEqual({ask(m.ports()[0])["generation"] for _ in range(40)}, {2})
        self.assertEqual({w["generation"] for w in m.state()["workers"]}, {2})

    def test_a_worker_that_starts_meanwhile(self):
        m = self.master().start()
        m.fake("start", "0", "slow 1500")
        os.kill(m.state()["workers"][0]["pid"], signal.SIGKILL)
        m.logged("event=worker_died")  # else its death may cancel the reload
        self.assertTrue(m.operator("r").startswith("ok"))
        self.assertEqual({ask(m.ports()[0])["generation"] for _ in range(40)}, {2})

    def test_asked_twice_at_once(self):
        m = self.master().start()
        m.fake("prepare", "0", "slow 500")
        for _ in range(5):
            m.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)  # let each of them in
        m.logged("event=reload_done", 2)
        self.assertLessEqual(m.state()["reloads"], 3)

    def test_nothing_is_left_after_a_hundred(self):
        m = self.master().start()
        self.assertTrue(m.operator("r").startswith("ok"))
        before = m.fds()
        a, b = m.config["listeners"], m.config["listeners"] + [m.listener(side="internal")]
        for i in range(100):
            if i % 10 == 9:
                m.file.write_text("broken")
                self.assertTrue(m.operator("r").startswith("failed"))
            self.assertTrue(m.reload(listeners=b if i % 2 == 0 else a).startswith("ok"))
        self.assertEqual(m.fds(), before)
        self.assertEqual(len(m.children()), 4, "no zombie")
        for pid in m.children().values():
            self.assertLess(len(os.listdir(f"/proc/{pid}/fd")), 20)

    def test_usr1_and_log_changes(self):
        log = self.dir / "events.log"
        m = self.master(log={"to": str(log)})
        m.launch()
        wait_for("start", lambda: log.exists() and "event=started" in log.read_text())
        log.rename(self.dir / "events.log.1")
        m.process.send_signal(signal.SIGUSR1)
        wait_for("new log", lambda: log.exists() and "fake admin writes" in log.read_text())
        wait_for("the master's word", lambda: "event=log_reopened" in log.read_text())
        other = self.dir / "other.log"
        self.assertTrue(m.reload(log={"to": str(other)}).startswith("ok"))
        wait_for("other log", lambda: other.exists() and "event=reload_done" in other.read_text())
        answer = m.reload(log={"to": str(self.dir / "none" / "log")})
        self.assertRegex(answer, r"^failed .*/log/to: cannot open")


class Leave(Case):
    def stop_time(self, m, sig):
        start = time.monotonic()
        self.assertEqual(m.end(sig), 0)
        return time.monotonic() - start

    def test_term_and_int(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(sig=sig):
                m = self.master().start()
                port = m.ports()[0]
                # one second, and the slack of a busy machine
                self.assertLess(self.stop_time(m, sig), 3.0)
                with self.assertRaises(ConnectionRefusedError):
                    ask(port)
                m.log.write_text("")

    def test_who_does_not_stop_is_killed(self):
        m = self.master()
        for who in ("0", "1", "admin", "resolver"):
            m.fake("stop", who, "silent")
        m.start()
        pids = m.children().values()
        self.assertLess(self.stop_time(m, signal.SIGTERM), 3.0)
        for pid in pids:
            self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())

    def test_quit_waits_for_workers(self):
        m = self.master()
        m.fake("stop", "0", "silent")
        m.start()
        port = m.ports()[0]
        pid = m.state()["workers"][0]["pid"]
        m.process.send_signal(signal.SIGQUIT)
        wait_for("draining", lambda: m.state()["draining"])
        def refused():
            try:
                ask(port, 0.2)
            except (ConnectionRefusedError, ConnectionResetError, TimeoutError, TypeError) as e:
                return isinstance(e, ConnectionRefusedError)
            return False
        wait_for("no new connections", refused)
        self.assertIsNone(m.process.poll())
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(m.process.wait(10), 0)

    def test_quit_ends_after_drain_timeout(self):
        m = self.master(drain_timeout=1)
        m.fake("stop", "1", "silent")
        m.start()
        start = time.monotonic()
        self.assertEqual(m.end(signal.SIGQUIT), 0)
        self.assertGreater(time.monotonic() - start, 0.9)

    def test_operators_stop_and_drain(self):
        for letter in "sd":
            with self.subTest(letter=letter):
                m = self.master().start()
                m.operator(letter)
                self.assertEqual(m.process.wait(10), 0)
                m.log.write_text("")

    def test_term_in_the_middle_of_a_reload(self):
        m = self.master().start()
        m.fake("prepare", "0", "slow 5000")
        m.process.send_signal(signal.SIGHUP)
        m.logged("event=reload_started")
        self.assertLess(self.stop_time(m, signal.SIGTERM), 3.0)

    def test_children_do_not_outlive_a_killed_master(self):
        m = self.master().start()
        pids = list(m.children().values())
        m.process.kill()
        m.process.wait()
        for pid in pids:
            wait_for(f"end of {pid}", lambda: not pathlib.Path(f"/proc/{pid}").exists()
                     or "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2:3])


class Arguments(unittest.TestCase):
    def test_exit_codes(self):
        rows = [(["--version"], 0, r"^sipward \d", ""), (["--help"], 0, "Usage: sipward", ""), ([], 2, "", "-c FILE is missing"),
                (["-c"], 2, "", "Usage"), (["--nonsense"], 2, "", "Usage"), (["-c", "x", "y"], 2, "", "too many"),
                (["-c", "x", "-c", "y"], 2, "", "twice"), (["--check"], 2, "", "-c FILE is missing"),
                (["--check", "-c", "/nonexistent/file"], 78, "", "/nonexistent/file")]
        for args, code, out, err in rows:
            with self.subTest(args=args):
                p = subprocess.run([str(PROGRAM), *args], capture_output=True, text=True, timeout=30)
                self.assertEqual(p.returncode, code, p.stderr)
                self.assertRegex(p.stdout, out or "^$")
                self.assertIn(err, p.stderr)

    def test_check_makes_nothing(self):
        with tempfile.TemporaryDirectory() as d:
            m = Master(pathlib.Path(d))
            p = subprocess.run([str(PROGRAM), "--check", "-c", str(m.file)], capture_output=True, text=True, timeout=30)
            self.assertEqual(p.returncode, 0, p.stderr)
            self.assertEqual(sorted(os.listdir(d)), ["sipward.json"])


if __name__ == "__main__":
    main()
