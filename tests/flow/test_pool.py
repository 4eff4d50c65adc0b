#!/usr/bin/env python3
"""The containers as a pool: which one a request goes to, and what happens when one is not there."""
import re
import socket
import struct

from harness import Container, Domain, Edge, FlowTest, main, request, wait_for


def server(container, **more):
    return {"host": "127.0.0.1", "port": container.port, "protocol": "TCP", **more}


class Pool(FlowTest):
    workers = 1

    def pool(self, count, clusters, rules=(), probes=None, **changes):
        """An edge with `count` containers; `clusters`: name -> [(which container, members of its server)]."""
        self.containers = changes.pop("containers", None) or [Container() for _ in range(count)]
        named = {name: {"servers": [server(self.containers[i], **more) for i, more in servers], **(probes or {})}
                 for name, servers in clusters.items()}
        self.running = Edge(self.run_dir, self.config(self.containers, clusters=named, default_cluster=next(iter(clusters)),
                                                      routing_rules=list(rules), **changes))
        self.running.start()
        self.tls_port = self.running.port()
        return self.running

    def where(self, call_id):
        """Which containers have seen it."""
        return [i for i, c in enumerate(self.containers) if c.count(call_id)]

    def ask(self, link, call_id, method="MESSAGE", **kw):
        link.send(request(method, call_id=call_id, branch=f"z9hG4bK{method}{call_id}", **kw))
        return link.recv()


    def invite(self, link, call_id, **kw):
        """A call; returns the Route lines and To of its later requests."""
        answer = self.ask(link, call_id, "INVITE", **kw)
        self.assertEqual(answer.status, 200)
        return {"extra": "".join(f"Route: {r}\r\n" for r in reversed(answer.all("record-route"))), "to": answer.get("to"),
                "uri": "sip:bob@127.0.0.1:9"}

    def spread(self, link, count, tag):
        """How many of `count` requests each container got."""
        link.send("".join(request("MESSAGE", call_id=f"{tag}-{n}", branch=f"z9hG4bK{tag}-{n}") for n in range(count)))
        for _ in range(count):
            self.assertEqual(link.recv().status, 200)
        return [sum((m.get("call-id") or "").startswith(tag + "-") for m in list(c.messages)) for c in self.containers]


class Rules(Pool):
    def test_first_rule_that_fits(self):
        self.pool(3, {"main": [(0, {})], "second": [(1, {})], "third": [(2, {})]}, [
            {"enabled": False, "reject": 500},
            {"match": {"method": "MESSAGE", "request_uri": "sip:9*@core.example"}, "reject": 603},
            {"match": {"headers": {"Subject": "urgent*"}}, "cluster": "second"},
            {"match": {"method": ["INVITE", "MESSAGE"], "domain": "partner.example",
                       "distinguished_name": "CN=sip.partner.example, O=Partner GmbH, C=DE", "to": "sip:carol@*"}, "cluster": "third"},
            {"match": {"source": "10.0.0.0/8"}, "reject": 404},
        ])
        link = self.peer()
        for call_id, kw, want in (("plain", {}, 0), ("subject", {"extra": "s: URGENT now\r\n"}, 1),
                                  ("carol", {"uri": "sip:carol@core.example"}, 2),
                                  ("both", {"uri": "sip:carol@core.example", "extra": "Subject: urgent\r\n"}, 1),
                                  ("options", {"uri": "sip:carol@core.example", "method": "OPTIONS"}, 0)):
            self.assertEqual(self.ask(link, call_id, **kw).status, 200, call_id)
            self.assertEqual(self.where(call_id), [want], call_id)
        answer = self.ask(link, "premium", uri="sip:%3900@core.example")
        self.assertEqual(answer.start, "SIP/2.0 603 Rejected")
        self.assertEqual(self.where("premium"), [])
        self.running.logged("routing_rule")

    def test_destination_and_untrusted(self):
        self.pool(2, {"main": [(0, {})], "second": [(1, {})]}, [
            {"match": {"domain": "untrusted"}, "reject": 403},
            {"match": {"destination": ["127.0.0.1"]}, "cluster": "second"},
        ])
        self.assertEqual(self.ask(self.peer(), "here").status, 200)
        self.assertEqual(self.where("here"), [1])
        config = self.running.config
        config["tls"]["edge"]["client_certificate"] = "request"
        self.running.reload(config)
        self.assertEqual(self.ask(self.peer("stranger"), "stranger").status, 403)
        self.assertEqual(self.ask(self.peer(), "known").status, 200)

    def test_a_dialog_and_a_cancel_follow_their_invite(self):
        edge = self.pool(2, {"main": [(0, {})], "second": [(1, {})]}, [
            {"match": {"method": "INVITE", "headers": {"X-To": "2"}}, "cluster": "second"},
            {"match": {"method": "INVITE", "headers": {"X-To": "3"}}, "reject": 480},
        ])
        ringing = self.containers[1]
        ringing.answer = lambda msg: ringing.reply(msg, "180 Ringing") if msg.method == "INVITE" else ringing.reply(msg)
        link = self.peer()
        link.send(request("INVITE", call_id="ring", branch="z9hG4bKring", extra="X-To: 2\r\n"))
        self.assertEqual(link.recv().status, 180)
        link.send(request("CANCEL", call_id="ring", branch="z9hG4bKring"))
        self.assertEqual(link.recv().status, 200)
        self.assertEqual([m.method for m in ringing.messages], ["INVITE", "CANCEL"], "a CANCEL has no X-To")
        ringing.answer = ringing.ok
        dialog = self.invite(link, "call", extra="X-To: 2\r\n")
        config = edge.config
        config["routing_rules"] = [{"reject": 403}]
        edge.reload(config)
        self.assertEqual(self.ask(link, "call", "BYE", cseq=2, **dialog).status, 200)
        self.assertEqual(self.where("call"), [1])
        link.send(request("INVITE", call_id="new", branch="z9hG4bKnew"))
        refused = link.recv()
        self.assertEqual(refused.status, 403)
        link.send(request("ACK", call_id="new", branch="z9hG4bKnew", to=refused.get("to")))
        self.assertEqual(self.ask(link, "next").status, 403, "the ACK was not answered")


class Affinity(Pool):
    def test_weights(self):
        edge = self.pool(3, {"main": [(0, {"weight": 3}), (1, {}), (2, {"weight": 0})]})
        link = self.peer()
        got = self.spread(link, 400, "w")
        self.assertEqual(sum(got), 400)
        self.assertTrue(220 < got[0] < 380 and got[2] == 0, got)
        dialog = self.invite(link, "call")
        at = self.where("call")
        config = edge.config
        for i, s in enumerate(config["clusters"]["main"]["servers"]):
            s["weight"] = 0 if [i] == at else 1
        edge.reload(config)
        self.assertEqual(self.spread(link, 50, "d")[at[0]], 0, "a drained one gets nothing new")
        self.assertEqual(self.ask(link, "call", "BYE", cseq=2, **dialog).status, 200)
        self.assertEqual(self.where("call"), at, "but its dialogs go on")

    def test_a_dialog_moves_only_while_its_container_is_down(self):
        edge = self.pool(2, {"main": [(0, {})], "second": [(1, {}), (0, {})]})
        link = self.peer()
        dialog = self.invite(link, "call")
        port = self.containers[0].port
        self.containers[0].close()
        edge.logged("event=container_down")
        self.assertEqual(self.ask(link, "call", "INFO", cseq=2, **dialog).status, 503, "nobody else is in its cluster")
        config = edge.config
        config["clusters"]["main"]["servers"].append(server(self.containers[1]))
        edge.reload(config)
        self.assertEqual(self.ask(link, "call", "UPDATE", cseq=3, **dialog).status, 200)
        self.assertEqual(self.containers[1].find("call").method, "UPDATE")
        self.containers[0] = Container(port)
        edge.logged("(?s)event=container_down.*event=container_up")
        self.assertEqual(self.ask(link, "call", "BYE", cseq=4, **dialog).status, 200)
        self.assertEqual(self.containers[0].find("call").method, "BYE", "it is back, and so is its dialog")

    def test_a_container_that_is_configured_no_more(self):
        edge = self.pool(2, {"main": [(0, {})], "second": [(1, {})]}, [{"match": {"headers": {"X-To": "2"}}, "cluster": "second"}])
        link = self.peer()
        dialog = self.invite(link, "call", extra="X-To: 2\r\n")
        config = edge.config
        del config["clusters"]["second"]
        config["routing_rules"] = []
        edge.reload(config)
        answer = self.ask(link, "call", "INFO", cseq=2, **dialog)
        self.assertEqual(answer.status, 404)
        self.running.logged("container_gone")
        config["affinity_failure_status"] = 481
        edge.reload(config)
        self.assertEqual(self.ask(link, "call", "UPDATE", cseq=3, **dialog).status, 481)
        config["affinity_failure_status"] = 0
        edge.reload(config)
        self.assertEqual(self.ask(link, "call", "BYE", cseq=4, **dialog).status, 200)
        self.assertEqual(self.containers[0].find("call").method, "BYE")

    def test_one_cluster_does_not_wait_for_another(self):
        """A server whose connect hangs (its queue of new connections is full) holds up nobody else's requests."""
        with socket.socket() as hole:
            hole.bind(("127.0.0.1", 0))
            hole.listen(0)
            fill = [socket.socket() for _ in range(3)]
            for f in fill:
                f.setblocking(False)
                f.connect_ex(hole.getsockname())
            self.containers = [Container()]
            clusters = {"main": {"servers": [{"host": "127.0.0.1", "port": hole.getsockname()[1], "protocol": "TCP"}]},
                        "second": {"servers": [server(self.containers[0])]}}
            self.running = Edge(self.run_dir, self.config(self.containers, clusters=clusters, default_cluster="main", timeouts={"connect": 30},
                                                          routing_rules=[{"match": {"method": "OPTIONS"}, "cluster": "second"}]))
            self.running.start()
            self.tls_port = self.running.port()
            link = self.peer()
            link.send(request("MESSAGE", call_id="waits", branch="z9hG4bKwaits"))
            self.assertEqual(self.ask(link, "passes", "OPTIONS").status, 200)
            for f in fill:
                f.close()

    def test_only_its_own_queue_resumes_a_peer(self):
        class Deaf(Container):
            def _serve(self, link):
                wait_for("its end", lambda: self.listener.fileno() < 0, 60)
        self.pool(2, {"main": [(0, {})], "second": [(1, {})]}, [{"match": {"method": "OPTIONS"}, "cluster": "second"}],
                  containers=[Deaf(), Container()], limits={"queue_bytes": 300000})
        flood = self.peer()
        flood.sock.settimeout(0.5)
        try:
            for n in range(400):
                flood.sock.sendall(request("MESSAGE", call_id=f"f{n}", branch=f"z9hG4bKf{n}", body="x" * 40000).encode())
        except TimeoutError:
            pass
        before = wait_for("paused", lambda: self.running.status()["counters"]["paused"])
        other = self.peer()
        for n in range(50):
            self.assertEqual(self.ask(other, f"o{n}", "OPTIONS").status, 200)
        self.assertEqual(self.running.status()["counters"]["paused"], before, "it was let go, and paused again")


class Failure(Pool):
    def test_a_restart_under_load(self):
        """Only what had been handed to the one that dies goes unanswered; all else others answer."""
        edge = self.pool(3, {"main": [(0, {}), (1, {}), (2, {})]})
        victim = self.containers[0]
        peers = [self.peer() for _ in range(3)]
        sent, answers = set(), {}

        def send(tag, count):
            for p, link in enumerate(peers):
                ids = [f"{tag}-{p}-{n}" for n in range(count)]
                sent.update(ids)
                link.send("".join(request("MESSAGE", call_id=i, branch=f"z9hG4bK{i}") for i in ids))

        def collect(quiet):
            for link in peers:
                try:
                    while not sent <= answers.keys():
                        answer = link.recv(quiet)
                        self.assertNotIn(answer.get("call-id"), answers, "answered twice")
                        answers[answer.get("call-id")] = answer.status
                except TimeoutError:
                    pass

        send("before", 100)
        wait_for("some at the victim", lambda: len(victim.messages) > 20)
        victim.listener.shutdown(socket.SHUT_RDWR)  # or its thread would go on accepting
        victim.listener.close()
        for link in list(victim.links):  # with what it has not read: a reset
            link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.close()
        send("during", 200)
        edge.logged("event=container_down")
        send("down", 200)
        collect(1.0)
        lost = sent - answers.keys()
        self.assertEqual(set(answers.values()), {200})
        self.assertEqual({i for i in lost if i.startswith("down-")}, set(), "nothing is handed to one that is known to be down")
        for i in lost:
            self.assertEqual([n for n in self.where(i) if n], [], "what another one got is answered")
        self.containers[0] = Container(victim.port)
        edge.logged("(?s)event=container_down.*event=container_up")
        sent.clear()
        answers.clear()
        send("after", 100)
        collect(5.0)
        self.assertEqual({i: answers.get(i) for i in sent}, dict.fromkeys(sent, 200))
        self.assertGreater(len(self.containers[0].messages), 30, "it takes its share again")

    def test_none_is_left(self):
        edge = self.pool(2, {"main": [(0, {}), (1, {})]}, retry_after=7)
        link = self.peer()
        self.assertEqual(self.ask(link, "first").status, 200)
        for c in self.containers:
            c.close()
        edge.logged("(?s)event=container_down.*event=container_down")
        answer = self.ask(link, "none")
        self.assertEqual((answer.status, answer.get("retry-after")), (503, "7"))


PROBES = {"probe_interval": 0.1, "probe_timeout": 0.3, "probe_failures": 2}


class Probes(Pool):
    def mute(self, container):
        container.answer = lambda msg: None if msg.method == "OPTIONS" else container.reply(msg)

    def test_one_that_accepts_but_does_not_answer(self):
        containers = [Container(), Container()]
        self.mute(containers[1])
        edge = self.pool(2, {"main": [(0, {}), (1, {})]}, probes=PROBES, containers=containers)
        edge.logged(f"event=container_down .*:{containers[1].port};tcp.*probes")
        link = self.peer()
        self.assertEqual(self.spread(link, 40, "a"), [40, 0])
        containers[1].answer = containers[1].ok
        edge.logged(f"event=container_up .*:{containers[1].port};tcp")
        self.assertGreater(self.spread(link, 40, "b")[1], 5)
        dialog = None
        for n in range(64):
            call = f"call{n}"
            dialog = self.invite(link, call)
            if self.where(call) == [1]:
                break
        self.mute(containers[1])
        wait_for("sick again", lambda: len(edge.logged(f"event=container_down .*:{containers[1].port};tcp.*probes")) == 2)
        self.assertEqual(self.spread(link, 40, "d"), [40, 0])
        self.assertEqual(self.ask(link, call, "BYE", cseq=2, **dialog).status, 200)
        self.assertEqual(containers[0].find(call).method, "BYE", "its dialogs move")
        self.mute(containers[0])
        wait_for("both", lambda: edge.logged(f"event=container_down .*:{containers[0].port};tcp.*probes"))
        self.assertEqual(self.ask(link, "none").status, 503)

    def test_what_counts_as_an_answer(self):
        container = Container()
        status = ["404 Not Found"]
        container.answer = lambda msg: container.reply(msg, status[0]) if msg.method == "OPTIONS" else container.reply(msg)
        edge = self.pool(1, {"main": [(0, {})]}, probes=PROBES, containers=[container])
        link = self.peer()
        self.assertEqual(self.ask(link, "alive").status, 200)
        for status[0], event in (("503 Service Unavailable", "down"), ("200 OK", "up"), ("408 Request Timeout", "down"), ("500 Oops", "up")):
            before = len(re.findall(f"event=container_{event}", edge.log.read_text()))
            wait_for(status[0], lambda: len(re.findall(f"event=container_{event}", edge.log.read_text())) > before)
        probe = container.find(container.messages[0].get("call-id"))
        self.assertRegex(probe.start, rf"^OPTIONS sip:127\.0\.0\.1:{container.port} SIP/2\.0$")
        self.assertRegex(probe.get("via"), r"^SIP/2\.0/TCP 127\.0\.0\.1:\d+;branch=z9hG4bKprobe[0-9a-f]{32}$")
        self.assertEqual(probe.get("max-forwards"), "70")
        self.assertEqual(edge.status()["counters"]["responses_out"], 1, "no answer to a probe goes anywhere")

    def test_a_forged_answer_counts_for_nothing(self):
        """Other branches, another container's branch, an old one: none of them keeps a container in use."""
        containers = [Container(), Container()]
        seen = []

        def forge(msg):
            if msg.method != "OPTIONS":
                return containers[1].reply(msg)
            seen.append(msg)
            good = containers[1].reply(msg).replace("z9hG4bKprobe", "z9hG4bKprobe1", 1)
            others = [m for m in containers[0].messages if m.method == "OPTIONS"] + seen[:-1]
            return good + "".join(containers[1].reply(m) for m in others[-9:])
        containers[1].answer = forge
        edge = self.pool(2, {"main": [(0, {}), (1, {})]}, probes=PROBES, containers=containers)
        edge.logged(f"event=container_down .*:{containers[1].port};tcp.*probes")
        wait_for("several forgeries", lambda: len(seen) > 5)
        self.assertEqual(self.spread(self.peer(), 30, "f"), [30, 0])
        self.assertEqual(re.findall(f"event=container_up .*:{containers[1].port};tcp", edge.log.read_text()), [])

    def test_a_reload_that_ends_probing(self):
        container = Container()
        self.mute(container)
        edge = self.pool(1, {"main": [(0, {})]}, probes=PROBES, containers=[container])
        edge.logged("event=container_down .*probes")
        config = edge.config
        del config["clusters"]["main"]["probe_interval"]
        edge.reload(config)
        self.assertEqual(self.ask(self.peer(), "again").status, 200)


class Tls(Pool):
    """TLS towards the containers."""

    DN = "CN=app.core.example,O=Core"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pki.leaf("app", "/O=Core/CN=app.core.example", eku="serverAuth")

    def secure(self, dn=DN):
        return {"protocol": "TLS", "tls": "inside", "distinguished_name": dn}

    def start(self, containers, clusters, **changes):
        pki = self.pki
        tls = {"edge": {"certificate": str(pki.path("edge.pem")), "private_key": str(pki.path("edge.key")),
                        "trust": [str(pki.path("ca.pem"))], "client_certificate": "require"}}
        tls["inside"] = dict(tls["edge"])
        return self.pool(len(containers), clusters, containers=containers, tls=tls, **changes)

    def test_the_right_name(self):
        for probes in ({}, PROBES):
            container = Domain(self.pki, "app")
            edge = self.start([container], {"main": [(0, self.secure(["CN=other", self.DN]))]}, probes=probes)
            link = self.peer()
            dialog = self.invite(link, "call")
            got = container.find("call")
            self.assertTrue(got.get("via").startswith("SIP/2.0/TLS "), got.get("via"))
            self.assertEqual(got.all("p-preferred-identity"), ["<sip:alice@partner.example>"])
            self.assertEqual(self.ask(link, "call", "BYE", cseq=2, **dialog).status, 200)
            self.tearDown()
            self.setUp()

    def test_another_name_gets_not_one_byte(self):
        class Watched(Domain):
            tries, ends = 0, []

            def wrap(self, sock):
                self.tries += 1
                try:
                    tls = super().wrap(sock)
                    self.ends.append(tls.recv(100))
                except OSError as e:
                    self.ends.append(e)
                raise OSError("seen enough")

        container = Watched(self.pki, "stranger")
        edge = self.start([container], {"main": [(0, self.secure())]}, probes=PROBES)
        self.assertEqual(self.ask(self.peer(), "call").status, 503)
        line = edge.logged("event=server_refused.*")[0]
        self.assertIn("sip.stranger.example", line)
        self.assertIn("app.core.example", line)
        wait_for("several attempts, and their end", lambda: container.tries > 1 and len(container.ends) > 1)
        self.assertEqual([e for e in container.ends if not isinstance(e, OSError) and e], [])

    def test_a_reload_that_takes_the_name_away(self):
        container = Domain(self.pki, "app")
        edge = self.start([container], {"main": [(0, self.secure())]})
        link = self.peer()
        self.assertEqual(self.ask(link, "before").status, 200)
        config = edge.config
        config["clusters"]["main"]["servers"][0]["distinguished_name"] = "CN=another"
        edge.reload(config)
        wait_for("its end", lambda: container.links[0].ended)
        self.assertEqual(self.ask(link, "after").status, 503)
        self.assertEqual(container.count("after"), 0)

    def test_sips(self):
        containers = [Container(), Container(), Domain(self.pki, "app")]
        edge = self.start(containers, {"main": [(0, {}), (1, {}), (2, self.secure())], "plain": [(0, {})]},
                          rules=[{"match": {"method": "OPTIONS"}, "cluster": "plain"}])
        edge.logged("event=container_up .*;tls")
        link = self.peer()
        for n in range(20):
            self.assertEqual(self.ask(link, f"sips{n}", uri="sips:bob@core.example").status, 200)
            self.assertEqual(self.where(f"sips{n}"), [2])
        answer = self.ask(link, "insecure", "OPTIONS", uri="sips:bob@core.example")
        self.assertEqual(answer.status, 480)
        self.assertIn("381", answer.get("warning"))
        self.assertEqual(self.where("insecure"), [])
        dialog = self.invite(link, "call", uri="sips:bob@core.example")
        self.assertTrue(all("sips:" in route for route in dialog["extra"].split("\r\n") if route), dialog["extra"])
        dialog["uri"] = "sips:bob@127.0.0.1:9"
        self.assertEqual(self.ask(link, "call", "BYE", cseq=2, **dialog).status, 200)
        containers[2].close()
        edge.logged("event=container_down .*;tls")
        self.assertEqual(self.ask(link, "down", uri="sips:bob@core.example").status, 503, "not in the clear instead")


if __name__ == "__main__":
    main()
