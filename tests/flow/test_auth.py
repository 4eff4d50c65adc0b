#!/usr/bin/env python3
"""Proxy authentication: a client of its own (RFC 7616 by hashlib) against a real sipward."""
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

from harness import BUILD, Container, Domain, FlowTest, Link, connect_tls, main, request, take_message, tls_context, wait_for

REALM = "voice.example"
PASSWORD = "correct horse"
HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
URI = "sip:bob@core.example"


def digest(algorithm, *parts):
    return hashlib.new(HASHES[algorithm], ":".join(parts).encode()).hexdigest()


def challenges(msg):
    """Parameters of each Proxy-Authenticate, in order."""
    out = []
    for value in msg.all("proxy-authenticate"):
        assert value.startswith("Digest "), value
        out.append({k: q or t for k, q, t in re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', value)})
    return out


def answer(challenge, method, nc=1, user="alice", password=PASSWORD, uri=URI, cnonce="0a4f113b", **changes):
    """A Proxy-Authorization line."""
    p = dict(challenge, username=user, uri=uri, nc=f"{nc:08x}", cnonce=cnonce)
    p.update(changes)
    alg = p["algorithm"]
    response = digest(alg, digest(alg, user, challenge["realm"], password), p["nonce"], p["nc"], p["cnonce"], "auth",
                      digest(alg, method, p["uri"]))
    return (f'Proxy-Authorization: Digest username="{p["username"]}", realm="{p["realm"]}", nonce="{p["nonce"]}", uri="{p["uri"]}", '
            f'response="{response}", algorithm={alg}, cnonce="{p["cnonce"]}", qop=auth, nc={p["nc"]}\r\n')


def entry(user, realm=REALM, password=PASSWORD, algorithms=("SHA-512-256", "SHA-256"), **more):
    return dict(more, user=user, **{a: digest(a, user, realm, password) for a in algorithms})


class Auth(FlowTest):
    FROM = "sip:alice@voice.example"
    number = 0

    def auth(self, users=None, **more):
        path = self.run_dir / f"users-{more.get('realm', REALM)}.json"
        path.write_text(json.dumps(users or [
            entry("alice", **{"from": ["sip:sales@voice.example", "tel:+4930123"]}), entry("bob", uri="sip:+49301@voice.example")]))
        os.chmod(path, 0o600)
        return dict({"realm": REALM, "users_file": str(path)}, **more)

    def configure(self, listener=None, domain=None, tcp=None, udp=None):
        cfg = self.config([])
        cfg["tls"]["edge"]["client_certificate"] = "request"
        if listener:
            cfg["listeners"][0]["proxy_auth"] = listener
        for protocol, auth in (("TCP", tcp), ("UDP", udp)):
            if auth:
                cfg["listeners"].append({"side": "external", "protocol": protocol, "host": "127.0.0.1", "port": 0, "proxy_auth": auth})
        if domain:
            cfg["external_domains"].append({"domain": "carrier.example", "distinguished_name": "CN=carrier.example", "protocol": "TLS",
                                            "host": "127.0.0.1", "port": 6062, "proxy_auth": domain})
        return cfg

    def launch(self, cfg, container):
        self.edge(cfg, containers=0)
        self.containers = [container]
        self.container = container
        return self.running

    def start(self, *args, **auths):
        cfg = self.configure(*args, **auths)
        container = Container()
        cfg["clusters"]["main"]["servers"] = [{"host": "127.0.0.1", "port": container.port, "protocol": "TCP"}]
        return self.launch(cfg, container)

    def stranger(self):
        return connect_tls(self.tls_port, tls_context(self.pki, None))

    def ask(self, link, extra="", method="INVITE", **more):
        """Send a request, return its answer and its Call-ID."""
        Auth.number += 1
        call = f"auth{Auth.number}"
        more = dict({"from_": self.FROM, "call_id": call, "branch": f"z9hG4bK{call}", "uri": URI}, **more)
        link.send(request(method, extra=extra, **more))
        return link.recv(), more["call_id"]

    def refused(self, link, extra, **more):
        got, call = self.ask(link, extra, **more)
        self.assertEqual(got.status, 407)
        self.assertEqual(self.container.count(call), 0)
        return challenges(got)

    def passes(self, link, extra, **more):
        got, call = self.ask(link, extra, **more)
        self.assertEqual(got.status, 200, got.head)
        return self.container.find(call)

    def test_challenge_and_pass(self):
        self.start(self.auth())
        link = self.stranger()
        asked = self.refused(link, "P-Preferred-Identity: <sip:ceo@core.example>\r\n")
        self.assertEqual([c["algorithm"] for c in asked], ["SHA-512-256", "SHA-256"])
        self.assertEqual([(c["realm"], c["qop"], c.get("stale")) for c in asked], [(REALM, "auth", None)] * 2)
        for nc, one in enumerate(asked, 1):
            got = self.passes(link, answer(one, "INVITE", nc) + "P-Asserted-Identity: <sip:ceo@core.example>\r\n"
                              "P-Preferred-Identity: <sip:ceo@core.example>\r\n")
            self.assertEqual(got.all("p-preferred-identity"), ["<sip:alice@voice.example>"])
            self.assertEqual(got.all("p-asserted-identity"), [])
            self.assertEqual(got.all("proxy-authorization"), [])
        self.running.logged("event=message_refused .*auth_required")

    def test_other_realms_pass_untouched(self):
        self.start(self.auth())
        link = self.stranger()
        asked = self.refused(link, 'Proxy-Authorization: Digest username="x", realm="other"\r\n')
        other = 'Digest username="x",realm="other"'
        got = self.passes(link, f"Proxy-Authorization: {other}\r\n" + answer(asked[1], "INVITE", 1) + answer(asked[0], "INVITE", 2) +
                          "Proxy-Authorization: Basic abc\r\n")
        self.assertEqual(got.all("proxy-authorization"), [other, "Basic abc"])

    def test_wrong_answers(self):
        self.start(self.auth())
        link = self.stranger()
        one = self.refused(link, "")[0]
        good = answer(one, "INVITE", 1)
        rows = {
            "password": answer(one, "INVITE", password="wrong"),
            "user": answer(one, "INVITE", user="mallory"),
            "method": answer(one, "BYE"),
            "uri": answer(one, "INVITE", uri="sip:eve@core.example"),
            "nonce": answer(one, "INVITE", nonce="0" * 64),
            "algorithm": answer(one, "INVITE", algorithm="MD5"),
            "no qop": good.replace(", qop=auth", ""),
            "twice": good.replace(", nc=", ", nc=00000001, nc="),
            "one good, one bad": good + answer(one, "INVITE").replace("qop=auth", "qop=auth-int"),
            "changed": good.replace('cnonce="0', 'cnonce="1'),
        }
        for why, line in rows.items():
            with self.subTest(why):
                self.assertIsNone(self.refused(link, line)[0].get("stale"), why)
        self.passes(link, good)
        self.assertEqual(self.refused(link, good)[0].get("stale"), "true")

    def test_uri_by_meaning(self):
        self.start(self.auth())
        link = self.stranger()
        one = self.refused(link, "")[0]
        self.passes(link, answer(one, "INVITE", uri="sip:bob@CORE.example"))

    def test_from(self):
        self.start(self.auth())
        link = self.stranger()
        one = self.refused(link, "")[0]
        for nc, uri in enumerate(("sip:sales@voice.example", "tel:+4930123", "sip:alice@VOICE.example"), 1):
            got = self.passes(link, answer(one, "INVITE", nc), from_=uri)
            self.assertEqual(got.all("p-preferred-identity"), ["<sip:alice@voice.example>"])
        for nc, uri in enumerate(("sip:bob@voice.example", "sips:alice@voice.example", "sip:alice@voice.example:5070",
                                  "sip:Alice@voice.example", "sip:alice@core.example"), 10):
            got, call = self.ask(link, answer(one, "INVITE", nc), from_=uri)
            self.assertEqual((got.status, self.container.count(call)), (403, 0), uri)
        got = self.passes(link, answer(one, "INVITE", 20, user="bob"), from_="sip:+49301@voice.example")
        self.assertEqual(got.all("p-preferred-identity"), ["<sip:+49301@voice.example>"])

    def test_ack_and_cancel(self):
        self.start(self.auth())
        link = self.stranger()
        link.send(request("ACK", from_=self.FROM, call_id="ack", uri=URI))
        self.assertEqual(self.container.find("ack").all("p-preferred-identity"), [])
        link.send(request("CANCEL", from_=self.FROM, call_id="cancel", uri=URI))
        self.assertEqual(self.container.find("cancel").all("p-preferred-identity"), [])
        self.assertEqual(link.recv().status, 200)

    def test_in_dialog(self):
        self.start(self.auth())
        link = self.stranger()
        one = self.refused(link, "")[0]
        answer_to, call = self.ask(link, answer(one, "INVITE", 1))
        route = "".join(f"Route: {r}\r\n" for r in answer_to.all("record-route")[::-1])
        self.assertTrue(route)
        to = answer_to.get("to")
        self.refused_in(link, route, to, call)
        got, _ = self.ask(link, route + answer(one, "BYE", 2, uri="sip:bob@127.0.0.1:9"), "BYE", uri="sip:bob@127.0.0.1:9", to=to, call_id=call, cseq=3)
        self.assertEqual(got.status, 200)

    def refused_in(self, link, route, to, call):
        got, _ = self.ask(link, route, "BYE", uri="sip:bob@127.0.0.1:9", to=to, call_id=call, cseq=2)
        self.assertEqual(got.status, 407)

    def test_trusted_are_not_asked(self):
        self.start(self.auth())
        got = self.passes(self.peer(), "", from_="sip:alice@partner.example")
        self.assertEqual(got.all("p-preferred-identity"), ["<sip:alice@partner.example>"])

    def test_domain(self):
        self.start(domain=self.auth([entry("carol", "carrier.example")], realm="carrier.example", algorithms=["SHA-256"]))
        link = self.stranger()
        self.assertEqual(self.passes(link, "").all("p-preferred-identity"), [])
        asked = self.refused(link, "", from_="sip:carol@carrier.example")
        self.assertEqual([(c["realm"], c["algorithm"]) for c in asked], [("carrier.example", "SHA-256")])
        got = self.passes(link, answer(asked[0], "INVITE", user="carol"), from_="sip:carol@carrier.example")
        self.assertEqual(got.all("p-preferred-identity"), ["<sip:carol@carrier.example>"])
        got, _ = self.ask(link, answer(asked[0], "INVITE", 2, user="carol"), from_="sip:dave@carrier.example")
        self.assertEqual(got.status, 403)

    def test_nonces_are_bound(self):
        more = {"allow_cleartext": True}
        self.start(self.auth(), self.auth([entry("carol", "carrier.example")], realm="carrier.example"), tcp=self.auth(**more))
        one = self.refused(self.stranger(), "")[0]
        port = self.running.port("external", "TCP")
        self.assertIsNone(self.refused(Link(socket.create_connection(("127.0.0.1", port))), answer(one, "INVITE"))[0].get("stale"))
        line = answer(dict(one, realm="carrier.example"), "INVITE", user="carol")
        self.assertIsNone(self.refused(self.stranger(), line, from_="sip:carol@carrier.example")[0].get("stale"))
        other = socket.create_connection(("127.0.0.1", self.tls_port), source_address=("127.0.0.2", 0))
        other = Link(tls_context(self.pki, None).wrap_socket(other))
        self.assertIsNone(self.refused(other, answer(one, "INVITE"))[0].get("stale"))
        self.passes(self.stranger(), answer(one, "INVITE"))

    def test_old_nonce_is_stale(self):
        self.start(self.auth(nonce_lifetime=1))
        link = self.stranger()
        one = self.refused(link, "")[0]

        def old():
            got, _ = self.ask(link, answer(one, "INVITE", password="x"))
            self.assertIsNone(challenges(got)[0].get("stale"))
            got, _ = self.ask(link, answer(one, "INVITE", nc=Auth.number))
            return got.status == 407 and challenges(got)
        asked = wait_for("the nonce to grow old", old)
        self.assertEqual(asked[0]["stale"], "true")

    def links_of_all_workers(self):
        """Connections until each worker has one, and a few more."""
        links = []

        def enough():
            links.append(self.stranger())
            self.ask(links[-1], "")
            rows = self.running.ctl("connections")["connections"]
            return len(links) > 4 and len({r["worker"] for r in rows if r.get("side", "external") == "external"}) >= self.workers
        wait_for("connections at both workers", enough, 30)
        return links

    def test_workers_share_the_window(self):
        self.start(self.auth())
        links = self.links_of_all_workers()
        one = self.refused(links[0], "")[0]
        for nc in range(1, 6):
            line = answer(one, "INVITE", nc)
            got = [self.ask(link, line)[0].status for link in links[nc % 2:] + links[:nc % 2]]
            self.assertEqual(got, [200] + [407] * (len(links) - 1))

    def test_reload_and_restart_keep_nonces(self):
        edge = self.start(self.auth())
        one = self.refused(self.stranger(), "")[0]
        used = answer(one, "INVITE", 1)
        self.passes(self.stranger(), used)
        edge.reload()
        self.assertEqual(self.refused(self.stranger(), used)[0]["stale"], "true")
        self.passes(self.stranger(), answer(one, "INVITE", 2))
        before = {w["pid"] for w in edge.status()["workers"]}
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_for("other workers", lambda: not before & {w["pid"] for w in edge.status()["workers"]} and
                 all(w["pid"] > 0 and w["generation"] for w in edge.status()["workers"]), 30)
        self.assertEqual(self.refused(self.stranger(), used)[0]["stale"], "true")
        self.passes(self.stranger(), answer(one, "INVITE", 3))

    def test_reload_changes_users(self):
        edge = self.start(self.auth())
        link = self.stranger()
        one = self.refused(link, "")[0]
        self.passes(link, answer(one, "INVITE", 1))
        self.auth([entry("alice", password="new")])
        edge.reload()
        self.refused(link, answer(one, "INVITE", 2))
        self.passes(link, answer(one, "INVITE", 3, password="new"))
        cfg = edge.config
        cfg["listeners"][0].pop("proxy_auth")
        edge.reload(cfg)
        self.assertEqual(self.passes(link, "").all("p-preferred-identity"), [])

    def test_waiting_for_a_container(self):
        """What waits is looked at again, and its count is used once."""
        self.pki.leaf("as1", "/C=DE/O=Core/CN=as1.core.example")
        opened = threading.Event()

        class Slow(Domain):
            def wrap(self, sock):
                opened.wait(5)
                return super().wrap(sock)
        server = Slow(self.pki, "as1")
        cfg = self.configure(self.auth())
        cfg["clusters"]["main"]["servers"] = [{"host": "127.0.0.1", "port": server.port, "protocol": "TLS", "tls": "edge",
                                               "distinguished_name": "CN=as1.core.example,O=Core,C=DE"}]
        self.launch(cfg, server)
        link = self.stranger()
        one = self.refused(link, "")[0]
        line = answer(one, "INVITE")
        link.send(request("INVITE", uri=URI, from_=self.FROM, call_id="waits", extra=line))
        with self.assertRaises(TimeoutError):
            link.recv(0.3)
        opened.set()
        self.assertEqual(link.recv().status, 200)
        self.assertEqual(server.find("waits").all("p-preferred-identity"), ["<sip:alice@voice.example>"])
        self.assertEqual(self.refused(link, line)[0]["stale"], "true")

    def test_udp_retransmission(self):
        self.start(udp=self.auth(allow_cleartext=True))
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        to = ("127.0.0.1", self.running.port("external", "UDP"))

        def ask(call, extra):
            sock.sendto(request("OPTIONS", uri=URI, from_=self.FROM, call_id=call, branch="z9hG4bK" + call, extra=extra)
                        .replace("SIP/2.0/TLS", "SIP/2.0/UDP").encode(), to)
            return take_message(bytearray(sock.recv(65536)))
        one = challenges(ask("u1", ""))[0]
        line = answer(one, "OPTIONS")
        self.assertEqual([ask("u2", line).status for _ in range(3)], [200] * 3)
        self.assertEqual(ask("u3", line).status, 407)
        self.assertEqual(self.container.count("u3"), 0)

    def test_cleartext_domain(self):
        self.start(tcp=self.auth(allow_cleartext=True), domain=self.auth([entry("carol", "carrier.example")], realm="carrier.example"))
        link = Link(socket.create_connection(("127.0.0.1", self.running.port("external", "TCP"))))
        got, _ = self.ask(link, "", from_="sip:carol@carrier.example")
        self.assertEqual((got.status, got.all("proxy-authenticate")), (403, []))

    def test_md5_when_listed(self):
        algorithms = ("SHA-512-256", "SHA-256", "MD5")
        self.start(self.auth([entry("alice", algorithms=algorithms)], algorithms=["MD5", "SHA-512-256", "SHA-256"]))
        self.running.logged("MD5.* is weak")
        link = self.stranger()
        asked = self.refused(link, "")
        self.assertEqual([c["algorithm"] for c in asked], list(algorithms))
        self.passes(link, answer(asked[2], "INVITE"))
        line = answer(asked[2], "INVITE", 2).replace(", algorithm=MD5", "")
        self.passes(link, line)

    def test_ctl_ha1(self):
        out = subprocess.run([str(BUILD / "sipwardctl"), "ha1", "alice", REALM], input=PASSWORD + "\n", capture_output=True, text=True)
        self.assertEqual((out.returncode, json.loads(out.stdout)), (0, entry("alice")))
        out = subprocess.run([str(BUILD / "sipwardctl"), "ha1", "alice", REALM], input="", capture_output=True, text=True)
        self.assertEqual((out.returncode, out.stdout), (1, ""))
        self.start(self.auth())
        self.assertNotIn(digest("SHA-256", "alice", REALM, PASSWORD), self.running.log.read_text())


if __name__ == "__main__":
    main()
