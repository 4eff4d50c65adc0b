#!/usr/bin/env python3
"""Domains blocked at run time: who is ended, refused and let in again, and what is left after a reload, a restart, a death."""
import copy
import json
import os
import signal
import socket
import ssl
import subprocess

from harness import BUILD, Container, Domain, Edge, FlowTest, Link, PARTNER_DN, connect_tls, main, request, tls_context, wait_for

PARTNER = "partner.example"
FROM_INSIDE = dict(uri="sip:carol@partner.example", from_="sip:bob@core.example", via_host="127.0.0.1:5070")


class Blocks(FlowTest):
    def file(self):
        return self.run_dir / "blocks.json"

    def block(self, *args, check=True):
        return self.running.ctl("domain", "block", *args, check=check)

    def unblock(self, name=PARTNER, check=True):
        return self.running.ctl("domain", "unblock", name, check=check)

    def blocked(self):
        return [b["domain"] for b in self.running.ctl("domain", "blocks")["blocks"]]

    def works(self, link, call_id, from_="sip:alice@partner.example"):
        link.send(request(call_id=call_id, from_=from_))
        answer = link.recv()
        return answer is not None and answer.status == 200

    def is_let_in(self, call_id):
        """A new connection of the partner is taken, and may speak."""
        try:
            return self.works(self.peer(), call_id)
        except (ssl.SSLError, ConnectionError):
            return False

    def is_refused(self, **kw):
        try:
            return self.peer(**kw).closed()
        except (ssl.SSLError, ConnectionError):
            return True

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(str(self.running.socket)) == 0

    def told(self, *args):
        """As an operator sees it: exit code, and what was printed."""
        p = subprocess.run([str(BUILD / "sipwardctl"), "-s", str(self.running.socket), *args], capture_output=True, text=True, timeout=60)
        return p.returncode, p.stdout + p.stderr

    def test_open_connections_end_and_new_ones_are_refused(self):
        self.edge()
        links = [self.peer() for _ in range(6)]  # on both workers
        self.assertTrue(all(self.works(link, f"a{i}") for i, link in enumerate(links)))
        answer = self.block(PARTNER, "--reason", "calls that nobody made")
        self.assertIn("partner.example is blocked until it is unblocked", answer["text"])
        for link in links:
            self.assertTrue(link.closed(3))
        self.assertTrue(self.is_refused())
        self.running.logged("event=trust_lost .*reason=domain_blocked")
        self.running.logged("event=connection_refused .*reason=domain_blocked")
        self.running.logged(f'event=domain_blocked who=master domain=partner.example uid={os.getuid()} pid=[0-9]+ until=lifted reason="calls that nobody made"')
        row = self.running.ctl("domain", "blocks")["blocks"][0]
        self.assertEqual((row["domain"], row["until"], row["uid"], row["reason"], row["configured"]),
                         (PARTNER, None, os.getuid(), "calls that nobody made", True))
        status = self.running.status()
        self.assertEqual((status["blocked"]["count"], status["blocked"]["saved"], status["blocked"]["blocks"][0]["domain"]), (1, True, PARTNER))
        self.assertTrue(self.running.ctl("domains")["domains"][0]["blocked"])
        self.assertGreater(status["reasons"]["peers"]["domain_blocked"], 0)
        self.assertIn("domain_blocked", self.told("explain", str(self.pki.path("partner.pem")))[1])
        self.unblock()
        wait_for("the partner to be let in", lambda: self.is_let_in("again"), 2)
        self.running.logged(f"event=domain_unblocked who=master domain=partner.example uid={os.getuid()} ")
        self.assertEqual(self.blocked(), [])
        self.assertEqual(json.loads(self.file().read_text())["blocks"], [])

    def test_a_block_ends_by_itself(self):
        self.edge()
        self.block(PARTNER, "--for", "2s")
        self.assertTrue(self.is_refused())
        wait_for("the end of the block", lambda: self.is_let_in("over"), 6)
        self.running.logged("event=domain_unblocked who=master domain=partner.example cause=\"its time is over\"")
        wait_for("an empty file", lambda: json.loads(self.file().read_text())["blocks"] == [])
        self.assertEqual(self.blocked(), [])

    def test_a_second_block_takes_the_place_of_the_first(self):
        self.edge()
        self.block(PARTNER, "--for", "2s", "--reason", "one")
        self.block("PARTNER.Example.", "--for", "1h30m", "--reason", "two")
        rows = self.running.ctl("domain", "blocks")["blocks"]
        self.assertEqual([(r["domain"], r["reason"]) for r in rows], [(PARTNER, "two")])
        self.assertTrue(5300 < rows[0]["left"] <= 5400, rows)

    def test_it_outlives_reload_restart_and_death(self):
        self.edge()
        self.block(PARTNER, "--for", "7d")
        cfg = copy.deepcopy(self.running.config)
        cfg["external_domains"].insert(0, {"domain": "another.example", "protocol": "TLS", "host": "127.0.0.1", "port": 6063})
        self.running.reload(cfg)  # it has another place in the image now
        self.assertTrue(self.is_refused())
        pids = [w["pid"] for w in self.running.status()["workers"]]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for("new workers", lambda: all(w["pid"] and w["pid"] not in pids and w["generation"] for w in self.running.status()["workers"]))
        self.assertTrue(all(self.is_refused() for _ in range(4)))
        before = self.running.ctl("domain", "blocks")["blocks"]
        self.running.stop(signal.SIGKILL)
        wait_for("the end of its children", lambda: not self.answers())
        self.running = Edge(self.run_dir, cfg)
        self.running.start()
        self.tls_port = self.running.port()
        after = self.running.ctl("domain", "blocks")["blocks"]
        self.assertEqual([(b["domain"], b["until"], b["since"]) for b in after], [(b["domain"], b["until"], b["since"]) for b in before])
        self.assertTrue(self.is_refused())
        self.unblock()
        wait_for("the partner to be let in", lambda: self.is_let_in("restarted"), 2)

    def test_a_block_that_ran_out_while_we_were_away_is_gone(self):
        self.file().write_text(json.dumps({"version": 1, "blocks": [
            {"domain": PARTNER, "since": 1000, "until": 2000, "uid": 0, "pid": 1, "reason": ""}]}))
        self.edge()
        self.assertTrue(self.is_let_in("late"))
        self.running.logged("event=domain_unblocked who=master domain=partner.example cause=\"its time is over\"")

    def test_a_file_that_is_not_understood_stops_the_start(self):
        cfg = self.config([Container()])
        good = {"domain": PARTNER, "since": 1000, "until": None, "uid": 0, "pid": 1, "reason": ""}
        bad = ["", "{", "[]", os.urandom(100).decode("latin1"), json.dumps({"version": 2, "blocks": []}), json.dumps({"version": 1}),
               json.dumps({"version": 1, "blocks": [good, good]}), json.dumps({"version": 1, "blocks": [{**good, "domain": "Not Canonical"}]}),
               json.dumps({"version": 1, "blocks": [{**good, "until": "tomorrow"}]}),
               json.dumps({"version": 1, "blocks": [{**good, "more": 1}]}), json.dumps({"version": 1, "blocks": [good]})[:-9]]
        edge = Edge(self.run_dir, cfg)
        for text in bad:
            self.file().write_bytes(text.encode("latin1"))
            p = subprocess.run([str(BUILD / "sipward"), "-c", str(edge.file)], capture_output=True, text=True, timeout=60)
            self.assertEqual(p.returncode, 1, text)
            self.assertIn(str(self.file()), p.stderr, text)
            self.assertEqual(self.file().read_bytes(), text.encode("latin1"), "and it stays as it is")
        self.file().unlink()
        os.mkfifo(self.file())
        p = subprocess.run([str(BUILD / "sipward"), "-c", str(edge.file)], capture_output=True, text=True, timeout=60)
        self.assertEqual(p.returncode, 1)
        self.assertIn(str(self.file()), p.stderr)

    def test_what_cannot_be_saved_holds_and_is_told(self):
        folder = self.run_dir / "state"
        folder.write_text("")  # no folder: also root cannot write into it
        self.edge(state_dir=str(self.run_dir / "fine"))
        cfg = copy.deepcopy(self.running.config)
        cfg["state_dir"] = str(folder)
        self.running.reload(cfg)
        code, text = self.told("domain", "block", PARTNER)
        self.assertEqual(code, 0, text)
        self.assertIn(f"warning: this will not survive a restart: {folder}/blocks.json", text)
        self.assertTrue(self.is_refused())
        self.assertFalse(self.running.status()["blocked"]["saved"])
        self.assertIn("will not survive", self.told("status")[1])
        self.running.logged("event=system .*will not survive a restart")
        folder.unlink()
        code, text = self.told("domain", "block", PARTNER, "--reason", "once more")
        self.assertNotIn("warning", text)
        self.assertTrue(self.running.status()["blocked"]["saved"])
        self.assertEqual(json.loads((folder / "blocks.json").read_text())["blocks"][0]["reason"], "once more")
        self.assertEqual(os.stat(folder / "blocks.json").st_mode & 0o777, 0o600)

    def test_the_file_moves_with_state_dir(self):
        self.edge()
        self.block(PARTNER)
        cfg = copy.deepcopy(self.running.config)
        cfg["state_dir"] = str(self.run_dir / "elsewhere")
        self.running.reload(cfg)
        self.assertEqual(json.loads((self.run_dir / "elsewhere" / "blocks.json").read_text())["blocks"][0]["domain"], PARTNER)

    def test_a_name_that_nobody_has_is_not_blocked_unasked(self):
        self.edge(external_domains=[{"domain": PARTNER, "distinguished_name": PARTNER_DN, "protocol": "TLS", "host": "127.0.0.1", "port": 1},
                                    {"domain": "*.wide.example", "protocol": "TLS"}])
        for args, words in [(("partnr.example",), "did you mean partner.example"),
                            (("a.wide.example",), r"belongs to the entry \*\.wide\.example"),
                            (("wide.example",), r"did you mean \*\.wide\.example"),
                            (("*.partner.example",), "did you mean partner.example"),
                            (("nothing.like.it.at.all",), "nobody would be blocked; --force")]:
            code, text = self.told("domain", "block", *args)
            self.assertEqual(code, 1, args)
            self.assertRegex(text, words)
        self.assertEqual(self.blocked(), [])
        self.block("later.example", "--force")
        self.assertFalse(self.running.ctl("domain", "blocks")["blocks"][0]["configured"])
        cfg = copy.deepcopy(self.running.config)
        cfg["external_domains"][0]["domain"] = "later.example"
        self.running.reload(cfg)
        self.assertTrue(self.is_refused(), "the reload brought the name")
        self.assertTrue(self.running.ctl("domain", "blocks")["blocks"][0]["configured"])

    def test_words_that_are_no_command(self):
        self.edge()
        for args in [(), ("blok",), ("block",), ("block", "a", "b"), ("blocks", "a"), ("unblock", PARTNER, "--for", "1h"),
                     ("block", PARTNER, "--for", "1"), ("block", PARTNER, "--for", "-1h"), ("block", PARTNER, "--for", "1h1h"),
                     ("block", PARTNER, "--for", "11y"), ("block", PARTNER, "--for", "0s"), ("block", PARTNER, "--for", "99999d")]:
            self.assertEqual(self.told("domain", *args)[0], 2, args)
        for args in [("block", "not a domain"), ("block", "a..b"), ("block", "*."), ("block", "*.*.example"), ("block", ""),
                     ("block", PARTNER, "--reason", "x" * 201), ("block", PARTNER, "--reason", "a\nb"), ("unblock", PARTNER)]:
            self.assertEqual(self.told("domain", *args)[0], 1, args)
        self.assertEqual(self.told("status", "--force")[0], 2)
        self.assertEqual(self.blocked(), [])

    def test_the_table_is_bounded(self):
        self.edge()
        rows = [{"domain": f"d{i}.example", "since": 1000, "until": None, "uid": 0, "pid": 1, "reason": ""} for i in range(4096)]
        self.running.stop()
        self.file().write_text(json.dumps({"version": 1, "blocks": rows}))
        self.running.start()
        self.tls_port = self.running.port()
        code, text = self.told("domain", "block", PARTNER)
        self.assertEqual(code, 1)
        self.assertIn("4096 domains are blocked already", text)
        self.assertTrue(self.running.status()["blocked"]["count"] == 4096 and len(self.running.status()["blocked"]["blocks"]) == 100)
        self.unblock("d17.example")
        self.block(PARTNER)
        self.assertTrue(self.is_refused())
        self.assertEqual(self.told("domain", "blocks")[1].count("\n"), 4097)

    def test_a_connection_of_several_domains_loses_the_blocked_one(self):
        entry = {"distinguished_name": PARTNER_DN, "protocol": "TLS", "host": "127.0.0.1", "port": 1}
        self.edge(external_domains=[{**entry, "domain": PARTNER}, {**entry, "domain": "second.example"}])
        link = self.peer()
        self.assertTrue(self.works(link, "both1"))
        self.assertTrue(self.works(link, "both2", "sip:x@second.example"))
        self.block(PARTNER)
        self.assertTrue(self.works(link, "left", "sip:x@second.example"), "the connection stays for the other one")
        link.send(request(call_id="gone"))
        self.assertEqual(link.recv().status, 403, "and speaks for the blocked one no more")
        self.assertEqual(self.running.ctl("connections", "second.example")["connections"][0]["trusted"], True)
        self.unblock()
        wait_for("the domain to come back", lambda: self.works(link, "back"), 2)

    def test_untrusted_where_no_certificate_is_required(self):
        cfg = self.config([])
        cfg["tls"]["edge"]["client_certificate"] = "request"
        self.edge(tls=cfg["tls"])
        link = self.peer()
        self.assertTrue(self.works(link, "before"))
        self.assertEqual(len(self.container.find("before").all("p-preferred-identity")), 1)
        self.block(PARTNER)
        self.assertTrue(self.works(link, "after"), "it is not closed")
        self.assertEqual(self.container.find("after").all("p-preferred-identity"), [])

    def test_a_session_is_worth_no_more(self):
        self.edge()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            ctx = tls_context(self.pki, "partner", version)
            link = connect_tls(self.tls_port, ctx)
            self.assertTrue(self.works(link, f"s{version}"))
            session = link.sock.session
            self.assertTrue(self.works(connect_tls(self.tls_port, ctx, session), f"r{version}"))
            self.block(PARTNER)
            with self.assertRaises((ssl.SSLError, ConnectionError, EOFError)):
                again = connect_tls(self.tls_port, ctx, session)
                if again.closed():
                    raise EOFError
            self.unblock()
            wait_for("the partner to be let in", lambda: self.is_let_in(f"u{version}"), 2)

    def test_nothing_goes_out_to_it(self):
        domain = Domain(self.pki)
        self.edge(external_domains=[{"domain": PARTNER, "distinguished_name": PARTNER_DN, "protocol": "TLS", "host": "127.0.0.1",
                                     "port": domain.port}])
        self.containers.append(domain)
        c = self.inside()
        c.send(request("INVITE", call_id="out1", **FROM_INSIDE))
        self.assertEqual(c.recv().status, 200)
        invite = domain.find("out1")
        routes = [r for r in invite.all("record-route")]
        self.block(PARTNER)
        wait_for("the end of our connection", lambda: domain.links[0].ended, 3)
        c.send(request("INVITE", call_id="out2", branch="z9hG4bKo2", **FROM_INSIDE))
        self.assertEqual(c.recv().status, 404, "as a disabled domain")
        bye = request("BYE", call_id="out1", branch="z9hG4bKo3", cseq=2, to="<sip:carol@partner.example>;tag=container",
                      extra="".join(f"Route: {r}\r\n" for r in reversed(routes)), **FROM_INSIDE)
        c.send(bye)
        self.assertEqual(c.recv().status, 404, "nor what belongs to a dialog")
        self.assertEqual([m.method for m in domain.messages], ["INVITE"])
        self.unblock()

        def goes_out():
            c.send(request("INVITE", call_id="out4", branch=f"z9hG4bKo4{os.urandom(4).hex()}", **FROM_INSIDE))
            return c.recv(15).status == 200
        wait_for("requests to go out again", goes_out, 5)

    def test_addresses_without_tls(self):
        entry = {"domain": PARTNER, "protocol": "UDP", "host": "127.0.0.1", "port": 9, "trusted_addresses": ["127.0.0.1"], "trust_udp": True}
        cfg = self.config([], external_domains=[entry])
        cfg["listeners"] += [{"side": "external", "protocol": p, "host": "127.0.0.1", "port": 0} for p in ("UDP", "TCP")]
        self.edge(external_domains=[entry], listeners=cfg["listeners"])
        tcp = Link(socket.create_connection(("127.0.0.1", self.running.port(protocol="TCP"))))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.connect(("127.0.0.1", self.running.port(protocol="UDP")))
        udp.settimeout(5)

        def identities(how, call_id):
            if how == "udp":
                udp.send(request(call_id=call_id).encode())
                self.assertIn(b"200 OK", udp.recv(65536))
            else:
                self.assertTrue(self.works(tcp, call_id))
            return len(self.container.find(call_id).all("p-preferred-identity"))

        for how in ("udp", "tcp"):
            self.assertEqual(identities(how, f"{how}1"), 1)
        self.block(PARTNER)
        for how in ("udp", "tcp"):
            self.assertEqual(identities(how, f"{how}2"), 0, "untrusted")
        self.unblock()
        for how in ("udp", "tcp"):
            wait_for("trust", lambda how=how: identities(how, f"{how}{os.urandom(4).hex()}") == 1, 3)
        udp.close()


if __name__ == "__main__":
    main()
