#!/usr/bin/env python3
"""The containers as a pool: which one a request goes to, and what happens when one is not there."""
from harness import Container, Edge, FlowTest, main, request


def server(container, **more):
    return {"host": "127.0.0.1", "port": container.port, "protocol": "TCP", **more}


class Pool(FlowTest):
    workers = 1

    def pool(self, count, clusters, rules=(), **changes):
        """An edge with `count` containers; `clusters`: name -> [(which container, members of its server)]."""
        self.containers = [Container() for _ in range(count)]
        named = {name: {"servers": [server(self.containers[i], **more) for i, more in servers]} for name, servers in clusters.items()}
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
        answer = self.ask(link, "call", "INVITE", extra="X-To: 2\r\n")
        routes = "".join(f"Route: {r}\r\n" for r in reversed(answer.all("record-route")))
        config = edge.config
        config["routing_rules"] = [{"reject": 403}]
        edge.reload(config)
        self.assertEqual(self.ask(link, "call", "BYE", uri="sip:bob@127.0.0.1:9", cseq=2, extra=routes, to=answer.get("to")).status, 200)
        self.assertEqual(self.where("call"), [1])
        link.send(request("INVITE", call_id="new", branch="z9hG4bKnew"))
        refused = link.recv()
        self.assertEqual(refused.status, 403)
        link.send(request("ACK", call_id="new", branch="z9hG4bKnew", to=refused.get("to")))
        self.assertEqual(self.ask(link, "next").status, 403, "the ACK was not answered")


if __name__ == "__main__":
    main()
